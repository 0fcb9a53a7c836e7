/** Producers, consumers and the members of a group in a simulated cluster: those of the one-broker simulation. */
import { runConsumer } from '../consumers.ts';
import { GroupHistory, runGroupMember } from '../group-members.ts';
import { runIdempotentProducer, runPlainProducer, type ProducerOptions } from '../producers.ts';
import type { Stage } from '../stage.ts';
import type { Plan } from './plan.ts';

const CATCH_UP_MS_MAX = 60_000;

export class Streams {
  readonly #stage: Stage;
  readonly #plan: Plan;
  #group: GroupHistory | undefined;

  constructor(stage: Stage, plan: Plan) {
    this.#stage = stage;
    this.#plan = plan;
  }

  /** Those that come to their end when the faults do. */
  start(): Promise<unknown>[] {
    const stage = this.#stage;
    const plan = this.#plan;
    const ends: Promise<unknown>[] = [];
    const random = (name: string) => stage.random.fork(name);
    const producer = (name: string): ProducerOptions => ({
      name,
      random: random(name),
      pauseMsMax: stage.random.between(150, 900),
      compresses: stage.random.chance(0.1),
    });
    for (let index = 0; index < plan.idempotent; index++) {
      const options = producer(`idempotent${index}`);
      ends.push(stage.guarded(options.name, runIdempotentProducer(stage, options)));
    }
    for (let index = 0; index < plan.plain; index++) {
      const options = producer(`plain${index}`);
      ends.push(stage.guarded(options.name, runPlainProducer(stage, options)));
    }
    for (let index = 0; index < plan.consumers; index++) {
      const name = `consumer${index}`;
      const options = { name, random: random(name), hasSessions: false };
      ends.push(stage.guarded(name, runConsumer(stage, options)));
    }
    const topics = stage.topics.slice();
    if (plan.members === 0 || topics.length === 0) return ends;
    for (const topic of topics) stage.fix(topic);
    this.#group = new GroupHistory(stage, { id: 'group', topics, survivesPower: true });
    for (let index = 0; index < plan.members; index++) {
      const name = `member${index}`;
      // These run to the very end.
      void stage.guarded(name, runGroupMember(stage, this.#group, { name, random: random(name) }));
    }
    return ends;
  }

  /** Nothing is written any more: the group reads and commits everything. */
  async mustCatchUp(endOf: (topic: string, partition: number) => number): Promise<void> {
    const stage = this.#stage;
    if (this.#group === undefined) return;
    if (await stage.time.runUntil(() => this.#behind(endOf).length === 0, CATCH_UP_MS_MAX)) return;
    stage.history.anomaly('stuck', `the group does not catch up: ${this.#behind(endOf).join(', ')}`);
  }

  #behind(endOf: (topic: string, partition: number) => number): string[] {
    const behind: string[] = [];
    for (const topic of this.#group!.topics) {
      for (let index = 0; index < topic.partitionCount; index++) {
        const partition = this.#stage.history.partition(topic, index);
        let end = 0;
        for (const offset of partition.known.keys()) end = Math.max(end, offset + 1);
        // What an unclean election took is known, and nowhere any more.
        end = Math.min(end, endOf(topic.name, index));
        const committed = this.#group!.committed.get(partition) ?? 0;
        if (committed < end) behind.push(`${partition.name}: ${committed} of ${end}`);
      }
    }
    return behind;
  }
}
