/**
 * For tests: a share group of one topic, as brokers keep it, on a `TestCluster`: sessions with epochs, locks with a time,
 * delivery counts, and acknowledgements that are refused as Kafka refuses them. What a test wants to go wrong, it says.
 */
import { Errors } from '../../protocol/errors.ts';
import { buildBatch } from '../../protocol/records.ts';
import { Client, type ShareConsumerOptions } from '../client.ts';
import { BREAK, TestCluster, type Asked } from '../test-cluster.ts';

const FIND = 10;
export const HEARTBEAT = 76;
export const FETCH = 78;
export const ACKNOWLEDGE = 79;

interface State {
  state: 'available' | 'acquired' | 'done' | 'archived';
  deliveryCount: number;
  memberId: string;
  lockedUntilMs: number;
}

interface Session {
  epoch: number;
  readonly partitions: Set<number>;
}

interface PartitionAsked {
  readonly partitionIndex: number;
  readonly acknowledgementBatches: {
    readonly firstOffset: number;
    readonly lastOffset: number;
    readonly acknowledgeTypes: number[];
  }[];
}

const OUTCOMES = ['done', 'done', 'available', 'archived'] as const;
const RENEW = 4;

export class ShareGroup {
  readonly cluster: TestCluster;
  readonly client: Client;
  readonly topicId: string;
  lockMs = 30_000;
  deliveriesMax = 5;
  /** By partition, by offset. */
  readonly records: State[][];
  readonly #values: string[][];
  readonly #sessions = new Map<string, Session>();
  readonly #members = new Map<string, number>();
  /** By API key, for the next of heartbeats, fetches and acknowledgements: an error code for the whole, or a break. */
  readonly refusals = new Map<number, (number | typeof BREAK)[]>();
  /** Answered for a partition's acknowledgements, while it is there. */
  readonly acknowledgeErrors = new Map<number, number>();
  /** What members are given from their next heartbeat on. Default: all partitions. */
  assignment: number[];
  #wake = Promise.withResolvers<void>();

  /** `leaders` by partition. */
  constructor(leaders: number[] = [0], brokerCount = 1) {
    this.cluster = new TestCluster({ brokerCount });
    const { cluster } = this;
    this.topicId = cluster.topic('t', leaders).id;
    this.records = leaders.map(() => []);
    this.#values = leaders.map(() => []);
    this.assignment = leaders.map((_, index) => index);
    this.client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
    const here = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
    cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...here, coordinators: [{ key: 'g', ...here }] }));
    cluster.handlers.set(HEARTBEAT, (asked) => this.#heartbeat(asked));
    cluster.handlers.set(FETCH, (asked) => this.#fetch(asked));
    cluster.handlers.set(ACKNOWLEDGE, (asked) => this.#acknowledge(asked));
  }

  consumer(options: Partial<ShareConsumerOptions> = {}, client: Client = this.client) {
    return client.shareConsumer({ group: 'g', topics: ['t'], ...options });
  }

  /** Another process. */
  newClient(): Client {
    return new Client({ bootstrap: this.cluster.bootstrap, ports: this.cluster.clientPorts() });
  }

  produce(partition: number, ...values: string[]): void {
    for (const value of values) {
      this.#values[partition]!.push(value);
      this.records[partition]!.push({ state: 'available', deliveryCount: 0, memberId: '', lockedUntilMs: 0 });
    }
    this.#wakeAll();
  }

  /** Of the record at an offset. */
  textAt(partition: number, offset: number): string {
    return this.#values[partition]![offset]!;
  }

  /** By offset, as text: `done`, or `acquired #2`. */
  states(partition = 0): string[] {
    this.#expire();
    return this.records[partition]!.map(({ state, deliveryCount }) =>
      state === 'done' || state === 'archived' ? state : `${state} #${deliveryCount}`,
    );
  }

  /** Another broker leads: it knows what is done, and nothing of what was acquired. */
  move(partition: number, nodeId: number): void {
    const topic = this.cluster.topics.get('t')!;
    topic.leaders[partition] = nodeId;
    topic.leaderEpoch += 1;
    for (const one of this.records[partition]!) if (one.state === 'acquired') one.state = 'available';
    this.#wakeAll();
  }

  /** The broker forgets what it knows of its members. */
  endSessions(): void {
    this.#sessions.clear();
    for (const list of this.records)
      for (const one of list) if (one.state === 'acquired') one.state = 'available';
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    if (!(await this.cluster.time.runUntil(condition, 600_000))) throw new Error(`not seen: ${what}`);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.cluster.time.schedule(ms, resolve));
  }

  get #nowMs(): number {
    return this.cluster.time.nowMs();
  }

  #refusal(key: number): number | typeof BREAK | undefined {
    return this.refusals.get(key)?.shift();
  }

  #wakeAll(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #expire(): void {
    for (const list of this.records) {
      for (const one of list) {
        if (one.state !== 'acquired' || one.lockedUntilMs > this.#nowMs) continue;
        one.state = one.deliveryCount >= this.deliveriesMax ? 'archived' : 'available';
      }
    }
  }

  #heartbeat({ body }: Asked): object | typeof BREAK {
    const refusal = this.#refusal(HEARTBEAT);
    if (refusal === BREAK) return BREAK;
    const { memberId, memberEpoch } = body;
    const isKnown = memberEpoch <= 0 || this.#members.has(memberId);
    const errorCode = refusal ?? (isKnown ? 0 : Errors.UNKNOWN_MEMBER_ID);
    if (refusal === Errors.UNKNOWN_MEMBER_ID || memberEpoch < 0) this.#members.delete(memberId);
    else if (errorCode === 0) this.#members.set(memberId, 1);
    return {
      throttleTimeMs: 0,
      errorCode,
      errorMessage: errorCode === 0 ? null : 'because',
      memberId,
      memberEpoch: Math.min(memberEpoch, 0) || 1,
      heartbeatIntervalMs: 1_000,
      assignment:
        errorCode !== 0 || memberEpoch < 0
          ? null
          : { topicPartitions: [{ topicId: this.topicId, partitions: this.assignment }] },
    };
  }

  #session({ nodeId, body }: Asked): { readonly session: Session | undefined; readonly errorCode: number } {
    const key = `${nodeId} ${body.memberId}`;
    const epoch: number = body.shareSessionEpoch;
    if (epoch === 0) this.#sessions.set(key, { epoch: 0, partitions: new Set() });
    const session = this.#sessions.get(key);
    if (session === undefined) return { session, errorCode: Errors.SHARE_SESSION_NOT_FOUND };
    if (epoch === -1) this.#sessions.delete(key);
    else if (session.epoch !== epoch) return { session, errorCode: Errors.INVALID_SHARE_SESSION_EPOCH };
    session.epoch += 1;
    return { session, errorCode: 0 };
  }

  #leads(nodeId: number, partition: number): boolean {
    return this.cluster.topics.get('t')!.leaders[partition] === nodeId;
  }

  #partitionError(nodeId: number, partition: number): object {
    const { leaders, leaderEpoch } = this.cluster.topics.get('t')!;
    const isHere = this.#leads(nodeId, partition);
    return {
      errorCode: isHere ? 0 : Errors.NOT_LEADER_OR_FOLLOWER,
      errorMessage: null,
      currentLeader: isHere
        ? { leaderId: -1, leaderEpoch: -1 }
        : { leaderId: leaders[partition]!, leaderEpoch },
    };
  }

  #endpoints(): object[] {
    const nodeIds = new Set(this.cluster.topics.get('t')!.leaders);
    return [...nodeIds].map((nodeId) => ({ nodeId, host: `b${nodeId}`, port: 9092, rack: null }));
  }

  /** All of a partition's, or none, as in Kafka. */
  #take(asked: Asked, { partitionIndex, acknowledgementBatches }: PartitionAsked): number {
    this.#expire();
    const error = this.acknowledgeErrors.get(partitionIndex);
    if (error !== undefined) return error;
    if (!this.#leads(asked.nodeId, partitionIndex)) return Errors.NOT_LEADER_OR_FOLLOWER;
    const list = this.records[partitionIndex]!;
    const said: [State, number][] = [];
    let before = -1;
    for (const { firstOffset, lastOffset, acknowledgeTypes } of acknowledgementBatches) {
      if (firstOffset < before || acknowledgeTypes.length !== 1) return Errors.INVALID_REQUEST;
      before = lastOffset;
      const type = acknowledgeTypes[0]!;
      if (type === RENEW && asked.body.isRenewAck !== true) return Errors.INVALID_REQUEST;
      for (let offset = firstOffset; offset <= lastOffset; offset++) {
        const one = list[offset];
        if (one?.state !== 'acquired' || one.memberId !== asked.body.memberId)
          return Errors.INVALID_RECORD_STATE;
        said.push([one, type]);
      }
    }
    for (const [one, type] of said) {
      if (type === RENEW) one.lockedUntilMs = this.#nowMs + this.lockMs;
      else if (type === 2 && one.deliveryCount >= this.deliveriesMax) one.state = 'archived';
      else one.state = OUTCOMES[type]!;
    }
    return 0;
  }

  async #fetch(asked: Asked): Promise<object> {
    const refusal = this.#refusal(FETCH);
    // The wires know this word, whatever its type.
    if (refusal === BREAK) return BREAK as unknown as object;
    const { session, errorCode } = this.#session(asked);
    const code = refusal ?? errorCode;
    const nothing = {
      throttleTimeMs: 0,
      errorMessage: null,
      acquisitionLockTimeoutMs: this.lockMs,
      nodeEndpoints: [],
    };
    if (code !== 0 || session === undefined) return { ...nothing, errorCode: code, responses: [] };
    const acknowledged = new Map<number, number>();
    for (const one of asked.body.topics.flatMap(
      (topic: { partitions: PartitionAsked[] }) => topic.partitions,
    )) {
      session.partitions.add(one.partitionIndex);
      if (one.acknowledgementBatches.length > 0) acknowledged.set(one.partitionIndex, this.#take(asked, one));
    }
    for (const topic of asked.body.forgottenTopicsData) {
      for (const partition of topic.partitions) session.partitions.delete(partition);
    }
    const endMs = this.#nowMs + asked.body.maxWaitMs;
    for (;;) {
      const partitions = this.#acquire(asked, { session, acknowledged });
      if (partitions.length > 0 || this.#nowMs >= endMs) {
        const responses = partitions.length === 0 ? [] : [{ topicId: this.topicId, partitions }];
        return { ...nothing, errorCode: 0, responses, nodeEndpoints: this.#endpoints() };
      }
      await Promise.race([this.#wake.promise, this.sleep(endMs - this.#nowMs)]);
    }
  }

  #acquire(
    { nodeId, body }: Asked,
    {
      session,
      acknowledged,
    }: { readonly session: Session; readonly acknowledged: ReadonlyMap<number, number> },
  ): object[] {
    this.#expire();
    const answers: object[] = [];
    let room: number = body.maxRecords;
    for (const index of new Set([...session.partitions, ...acknowledged.keys()])) {
      const acquired: { firstOffset: number; lastOffset: number; deliveryCount: number }[] = [];
      const isHere = this.#leads(nodeId, index);
      for (const [offset, one] of this.records[index]!.entries()) {
        if (!isHere || !session.partitions.has(index) || room === 0 || one.state !== 'available') continue;
        room -= 1;
        const { memberId } = body;
        const deliveryCount = one.deliveryCount + 1;
        Object.assign(one, {
          state: 'acquired',
          deliveryCount,
          memberId,
          lockedUntilMs: this.#nowMs + this.lockMs,
        });
        acquired.push({ firstOffset: offset, lastOffset: offset, deliveryCount });
      }
      if (acquired.length === 0 && !acknowledged.has(index) && isHere) continue;
      answers.push({
        partitionIndex: index,
        acknowledgeErrorCode: acknowledged.get(index) ?? 0,
        acknowledgeErrorMessage: null,
        ...this.#partitionError(nodeId, index),
        records: acquired.length === 0 ? [] : [this.#batch(index)],
        acquiredRecords: acquired,
      });
    }
    return answers;
  }

  #batch(partition: number): Buffer {
    const records = this.#values[partition]!.map((value) => ({
      key: null,
      value: Buffer.from(value),
      timestamp: 1,
    }));
    return buildBatch({ records, baseOffset: 0, leaderEpoch: 5 });
  }

  #acknowledge(asked: Asked): object | typeof BREAK {
    const refusal = this.#refusal(ACKNOWLEDGE);
    if (refusal === BREAK) return BREAK;
    const { errorCode } = this.#session(asked);
    const code = refusal ?? errorCode;
    const topics: { partitions: PartitionAsked[] }[] = asked.body.topics;
    const partitions = topics.flatMap((topic) =>
      topic.partitions.map((one) => ({
        partitionIndex: one.partitionIndex,
        ...this.#partitionError(asked.nodeId, one.partitionIndex),
        errorCode: code === 0 ? this.#take(asked, one) : 0,
      })),
    );
    if (asked.body.shareSessionEpoch === -1) this.#giveBack(asked);
    this.#wakeAll();
    return {
      throttleTimeMs: 0,
      errorCode: code,
      errorMessage: null,
      acquisitionLockTimeoutMs: this.lockMs,
      responses: code !== 0 || partitions.length === 0 ? [] : [{ topicId: this.topicId, partitions }],
      nodeEndpoints: this.#endpoints(),
    };
  }

  /** Of this broker's partitions. What was not delivered does not count as a delivery. */
  #giveBack({ nodeId, body }: Asked): void {
    for (const [partition, list] of this.records.entries()) {
      if (!this.#leads(nodeId, partition)) continue;
      for (const one of list) {
        if (one.state !== 'acquired' || one.memberId !== body.memberId) continue;
        one.state = 'available';
        one.deliveryCount -= 1;
      }
    }
  }
}
