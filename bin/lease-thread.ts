/** The thread in which leases at etcd are kept alive, with a connection of its own. Started by the metadata store. */
import { serveLeases } from '../src/metadata/etcd/lease-thread.ts';
import { realClock } from '../src/runtime/clock.ts';
import { realGrpcTransport } from '../src/runtime/grpc.ts';
import { realRandom } from '../src/runtime/random.ts';
import { ownThreadPort } from '../src/runtime/threads.ts';
import { realTimers } from '../src/runtime/timers.ts';

serveLeases(ownThreadPort(), {
  transport: realGrpcTransport(),
  clock: realClock(),
  timers: realTimers(),
  random: realRandom(),
});
