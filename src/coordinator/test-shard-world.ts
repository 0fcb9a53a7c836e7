/** A shard around a small state machine, numbers under names, and a log in memory: what the tests of the shard act on. */
import { int32, message, string } from '../protocol/schema.ts';
import { silentLogger } from '../runtime/logger.ts';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { Journal, VersionedMap } from './journal.ts';
import type { RecordPosition, StateMachine, TransactionMarker, Turn } from './machine.ts';
import { MemoryLog } from './memory-log.ts';
import { recordFormats, type CoordinatorRecord } from './record.ts';
import { Shard, type Done, type EndOfTransaction } from './shard.ts';

const VERSIONS = { key: 1, versions: '0', flexible: 'none' } as const;
const NumberKey = message('NumberKey', VERSIONS, { name: string });
const NumberValue = message('NumberValue', VERSIONS, { value: int32, pad: string });

/** Whose transactions they are, unless a test says otherwise. */
export const PRODUCER = { producerId: 40, producerEpoch: 3 };
const COMMIT: EndOfTransaction = { ...PRODUCER, coordinatorEpoch: 5, isCommit: true, transactionVersion: 1 };

export const put = (name: string, value: number, pad = ''): CoordinatorRecord => ({
  type: 1,
  key: { name },
  version: 0,
  value: { value, pad },
});

/** Numbers under names; those of open transactions under `producer/name`. */
class Numbers implements StateMachine<string> {
  readonly formats = recordFormats({ key: NumberKey, value: NumberValue });
  readonly map: VersionedMap<string, number>;
  /** Records and markers, in order. */
  readonly replayed: string[] = [];
  /** Whatever was called but for records. */
  readonly heard: string[] = [];
  readonly waiting: { respond(response: string): void }[] = [];
  onExpired: (turn: Turn<string>) => void = () => undefined;
  onSettled: (turn: Turn<string>) => void = () => undefined;

  constructor(journal: Journal) {
    this.map = new VersionedMap(journal);
  }
  replay(record: CoordinatorRecord, { offset, producerId, producerEpoch }: RecordPosition): void {
    const { name } = record.key as { name: string };
    const value = (record.value as { value: number } | null)?.value;
    this.replayed.push(`${offset}: ${name}=${value} of ${producerId}/${producerEpoch}`);
    this.map.set(producerId < 0 ? name : `${producerId}/${name}`, value);
  }
  replayMarker({ producerId, producerEpoch, committed, offset }: TransactionMarker): void {
    const marker = `${offset}: ${committed ? 'commit' : 'abort'} of ${producerId}/${producerEpoch}`;
    this.replayed.push(marker);
    this.heard.push(marker);
    const prefix = `${producerId}/`;
    for (const [key, value] of this.map.entries()) {
      if (!key.startsWith(prefix)) continue;
      this.map.delete(key);
      if (committed) this.map.set(key.slice(prefix.length), value);
    }
  }
  loaded(): void {
    this.heard.push('loaded');
  }
  unloaded(turn: Turn<string>): void {
    for (const ticket of this.waiting) turn.answer(ticket, 'unloaded');
  }
  expired(turn: Turn<string>, event: string): void {
    this.heard.push(`expired ${event}`);
    this.onExpired(turn);
  }
  settled(turn: Turn<string>, event: string, errorCode: number): void {
    this.heard.push(`settled ${event} ${errorCode}`);
    this.onSettled(turn);
  }
}

export class World {
  readonly time = new SimulatedTime({ seed: 1 });
  readonly journal = new Journal();
  readonly machine = new Numbers(this.journal);
  readonly log: MemoryLog;
  readonly shard: Shard<string, Numbers>;
  /** What became of each operation, by its name: its reply or its error. */
  readonly outcomes: Record<string, string> = {};

  constructor(log = new MemoryLog()) {
    this.log = log;
    const { clock, timers } = new SimulatedProcess(this.time);
    this.shard = new Shard({
      machine: this.machine,
      journal: this.journal,
      log,
      leaderEpoch: 3,
      ports: { clock, timers, logger: silentLogger() },
      writeTimeoutMs: () => 5000,
    });
  }

  static async active(log = new MemoryLog()): Promise<World> {
    const world = new World(log);
    await world.time.settle(world.shard.load());
    return world;
  }

  outcome(name: string): string | undefined {
    return this.outcomes[name];
  }

  /** Notes the outcome under `name`. */
  done(name: string): Done<unknown> {
    return {
      reply: (response) => {
        this.outcomes[name] = response === undefined ? 'reply' : `reply ${response as string | number}`;
      },
      fail: (errorCode) => {
        this.outcomes[name] = `fail ${errorCode}`;
      },
    };
  }

  write(name: string, operation: (turn: Turn<string>) => unknown): void {
    this.shard.write(operation, this.done(name));
  }

  put(name: string, value: number): void {
    this.write(name, (turn) => {
      turn.append(put(name, value));
      return value;
    });
  }

  putInTransaction(
    name: string,
    value: number,
    producer: Parameters<Shard<string, Numbers>['writeInTransaction']>[1] = PRODUCER,
  ): void {
    const operation = (turn: Turn<string>): void => turn.append(put(name, value));
    this.shard.writeInTransaction(operation, producer, this.done(name));
  }

  end(name: string, end: Partial<EndOfTransaction> = {}): void {
    this.shard.completeTransaction({ ...COMMIT, ...end }, this.done(name));
  }

  get state(): Record<string, number> {
    return Object.fromEntries(this.machine.map.entries());
  }
  get committedState(): Record<string, number> {
    return Object.fromEntries(this.machine.map.committedEntries());
  }
}
