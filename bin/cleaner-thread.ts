/** The thread in which logs are compacted: it reads and writes their files itself. Started by the broker. */
import { serveCleaning } from '../src/log/cleaner/thread-side.ts';
import { realClock } from '../src/runtime/clock.ts';
import { realDisk } from '../src/runtime/disk.ts';
import { ownThreadPort } from '../src/runtime/threads.ts';

serveCleaning(ownThreadPort(), { disk: realDisk(), clock: realClock() });
