/** Brings transaction markers to the leaders of their partitions, wherever these are: here at once, elsewhere gathered. */
import type { Timers } from '../base/ports.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import type { Write } from '../protocol/schema.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import type { MarkerWriter, TransactionEnd } from '../transactions/marker-sender.ts';
import type { TopicPartition } from '../transactions/transaction.ts';
import { PeerBatches } from './peer-batches.ts';

/** Markers of one request. */
export const MARKERS_PER_REQUEST_MAX = 2_000;
const LANE = 'markers';
/** The leader gives up after its request time-out, and its answer needs a while. */
const ANSWER_MS = 5_000;

type MarkerOnWire = Write<typeof WriteTxnMarkersRequest>['markers'][number];

interface Marker {
  readonly at: TopicPartition;
  readonly end: TransactionEnd;
}

export interface ClusterMarkersOptions {
  readonly nodeId: number;
  readonly image: ClusterImage;
  readonly peers: Peers;
  readonly timers: Timers;
  /** For the partitions that this broker leads. */
  readonly local: MarkerWriter;
  readonly requestTimeoutMs: () => number;
}

export class ClusterMarkers implements MarkerWriter {
  readonly #options: ClusterMarkersOptions;
  readonly #batches: PeerBatches<Marker, ErrorCode>;

  constructor(options: ClusterMarkersOptions) {
    this.#options = options;
    this.#batches = new PeerBatches({
      timers: options.timers,
      itemsMax: MARKERS_PER_REQUEST_MAX,
      send: (nodeId, markers) => this.#send(nodeId, markers),
    });
  }

  async write(at: TopicPartition, end: TransactionEnd): Promise<ErrorCode> {
    const { nodeId, local } = this.#options;
    const leader = this.#leaderOf(at);
    if (leader === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION;
    if (leader === nodeId) return local.write(at, end);
    if (leader < 0) return Errors.LEADER_NOT_AVAILABLE;
    let errorCode: ErrorCode;
    try {
      errorCode = await this.#batches.add(leader, { at, end });
    } catch (error) {
      if (error instanceof PeerUnavailable) return Errors.NETWORK_EXCEPTION;
      if (error instanceof KafkaError) return error.code;
      throw error;
    }
    // The other broker may not have heard of the partition yet: it is gone only when it is for us, too.
    const isGone = this.#leaderOf(at) === undefined;
    return errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION && !isGone
      ? Errors.NOT_LEADER_OR_FOLLOWER
      : errorCode;
  }

  #leaderOf({ topic, partition }: TopicPartition): number | undefined {
    return this.#options.image.topics.get(topic)?.partitions[partition]?.leader;
  }

  async #send(nodeId: number, markers: readonly Marker[]): Promise<readonly ErrorCode[]> {
    const { peers, requestTimeoutMs } = this.#options;
    const byEnd = groupByEnd(markers);
    const answer = await peers.request(nodeId, {
      request: WriteTxnMarkersRequest,
      response: WriteTxnMarkersResponse,
      body: { markers: byEnd.map(onWire) },
      timeoutMs: requestTimeoutMs() + ANSWER_MS,
      lane: LANE,
    });
    const errors = new Map<Marker, ErrorCode>();
    for (const [index, group] of byEnd.entries()) {
      const topics = new Map(answer.markers[index]?.topics.map((topic) => [topic.name, topic.partitions]));
      for (const marker of group) {
        const { topic, partition } = marker.at;
        const said = topics.get(topic)?.find(({ partitionIndex }) => partitionIndex === partition);
        errors.set(marker, (said?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR) as ErrorCode);
      }
    }
    return markers.map((marker) => errors.get(marker)!);
  }
}

/** The markers of each end of a transaction, in the order of the first. */
function groupByEnd(markers: readonly Marker[]): (readonly Marker[])[] {
  const groups = new Map<string, Marker[]>();
  for (const marker of markers) {
    const { producerId, producerEpoch, coordinatorEpoch, isCommit, transactionVersion } = marker.end;
    const key = [producerId, producerEpoch, coordinatorEpoch, isCommit, transactionVersion].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [marker]);
    else group.push(marker);
  }
  return [...groups.values()];
}

function onWire(group: readonly Marker[]): MarkerOnWire {
  const { producerId, producerEpoch, coordinatorEpoch, isCommit, transactionVersion } = group[0]!.end;
  const topics = new Map<string, number[]>();
  for (const { at } of group) {
    const partitions = topics.get(at.topic);
    if (partitions === undefined) topics.set(at.topic, [at.partition]);
    else partitions.push(at.partition);
  }
  return {
    producerId,
    producerEpoch,
    coordinatorEpoch,
    transactionResult: isCommit,
    transactionVersion,
    topics: [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
  };
}
