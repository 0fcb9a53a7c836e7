/**
 * A producer in a closed loop: always `inFlight` requests on the way, the next one sent when the oldest is answered. Each
 * place in flight has a frame of its own, since a frame that is on the way must not be patched.
 */
import { codec } from '../../../src/protocol/compile.ts';
import { ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { Reader } from '../../../src/protocol/wire.ts';
import { FrameConnection } from '../frame-connection.ts';
import { CORRELATION_ID_AT, PRODUCE_VERSION, produceFrames } from './frames.ts';
import type { Client, ProduceJob, Tally } from './job.ts';

/** A response's header: correlation id (4) and no tags (1). */
const RESPONSE_HEADER_BYTES = 5;

interface ProducerEvents {
  readonly tally: Tally;
  /** Called when anything is answered otherwise than with success and a new offset. */
  fail(reason: string): void;
}

/** One connection, or in a cluster one to each leader, for the partitions that it leads. */
export async function startProducer(job: ProduceJob, events: ProducerEvents): Promise<Client> {
  const { leaders } = job;
  if (leaders === undefined) return startConnection(job, events);
  const ledBy = (port: number): number[] =>
    leaders.flatMap((leader, partition) => (leader === port ? [partition] : []));
  const each = [...new Set(leaders)].map((port) =>
    startConnection({ ...job, port, only: ledBy(port) }, events),
  );
  const connections = await Promise.all(each);
  return { stop: async () => void (await Promise.all(connections.map((one) => one.stop()))) };
}

async function startConnection(job: ProduceJob, { tally, fail }: ProducerEvents): Promise<Client> {
  const frames = produceFrames(job.inFlight, job);
  const answer = codec(ProduceResponse, PRODUCE_VERSION);
  const lastOffsets = new Array<number>(job.partitions).fill(-1);
  let sent = 0;
  let answered = 0;
  let onAllAnswered: (() => void) | undefined;

  const send = (): void => {
    const { bytes } = frames[sent % frames.length];
    bytes.writeInt32BE(sent & 0x7fffffff, CORRELATION_ID_AT);
    sent++;
    connection.write(bytes);
  };
  const onFrame = (response: Buffer): void => {
    if (response.readInt32BE(0) !== (answered & 0x7fffffff)) fail('an answer to another request');
    const { responses } = answer.read(new Reader(response, RESPONSE_HEADER_BYTES));
    for (const { index, errorCode, baseOffset } of responses[0].partitionResponses) {
      if (errorCode !== 0) fail(`partition ${index} answered error ${errorCode}`);
      if (baseOffset <= lastOffsets[index]) fail(`partition ${index} gave offset ${baseOffset} again`);
      lastOffsets[index] = baseOffset;
    }
    const frame = frames[answered % frames.length];
    answered++;
    tally.requests++;
    tally.records += frame.records;
    tally.bytes += frame.batchBytes;
    if (onAllAnswered === undefined) send();
    else if (answered === sent) onAllAnswered();
  };
  const connection = await FrameConnection.connect(job.port);
  connection.onFrame = onFrame;
  connection.onLost = fail;
  for (let n = 0; n < job.inFlight; n++) send();
  return {
    stop: () =>
      new Promise((resolve) => {
        onAllAnswered = () => {
          connection.close();
          resolve();
        };
      }),
  };
}
