/**
 * A deliberate fault: abort markers of transactions that have ended come again, when the next one of their producer is
 * open. They are sent as by a broker that knows nothing of transactions v2, so that leaders have only the epoch to go by.
 */
import { Errors } from '../../../src/protocol/errors.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../../src/protocol/messages/27-write-txn-markers.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../../src/protocol/messages/61-describe-producers.ts';
import { partitionOf } from './journal.ts';
import type { ProcessOptions, Scene } from './processes.ts';

export async function runLateMarkers(scene: Scene, { client, random }: ProcessOptions): Promise<void> {
  const { stage, inputs } = scene;
  while (stage.phase === 'faults') {
    const { topic: name, partition } = partitionOf(inputs[random.integer(inputs.length)]!);
    const topics = [{ name, partitionIndexes: [partition] }];
    try {
      const described = await client.request(DescribeProducersRequest, DescribeProducersResponse, 0, {
        topics,
      });
      const { errorCode, activeProducers } = described.topics[0]!.partitions[0]!;
      stage.note('DescribeProducers', errorCode);
      // One that has ended a transaction before, whose marker this could be.
      const open = activeProducers.find(
        ({ currentTxnStartOffset, coordinatorEpoch }) => currentTxnStartOffset >= 0 && coordinatorEpoch >= 0,
      );
      if (errorCode === Errors.NONE && open !== undefined) {
        const { producerId, producerEpoch, coordinatorEpoch } = open;
        const marker = { producerId, producerEpoch, transactionResult: false, topics, coordinatorEpoch };
        const body = { markers: [marker] };
        await client.request(WriteTxnMarkersRequest, WriteTxnMarkersResponse, 1, body);
      }
    } catch (error) {
      stage.unknown('late marker', error);
    }
    await stage.sleep(random.between(10, 500));
  }
}
