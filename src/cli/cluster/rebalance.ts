/**
 * `headrace cluster rebalance`: looks at the cluster, shows what it would move, asks, and has it moved. `--remove-broker` empties
 * brokers first and forgets those that are gone; `--cancel` calls back what is under way.
 */
import type { Clock, Timers } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { apply, movesOf, type Applied, type Progress } from './apply.ts';
import type { BrokerInfo, ClusterAdmin } from './cluster-admin.ts';
import { nameOf, type Move } from './cluster-state.ts';
import { internalTopics, type InternalTopics } from './internal-topics.ts';
import { plan, PlanProblem, type Plan } from './plan.ts';
import { describePlan, planAsJson, progressLine } from './plan-text.ts';
import { survey, type Survey } from './survey.ts';
import { RATES, REPLICA_LISTS, unthrottleRates, unthrottleReplicas } from './throttle.ts';

export interface RebalanceFlags {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly cancel: boolean;
  readonly json: boolean;
  readonly removeBroker: readonly number[];
  readonly throttleBytesPerSecond: number | undefined;
  readonly parallel: number;
  /** How long to watch what grows, before planning. */
  readonly sampleMs: number;
}

/** What the command has of the world. */
export interface Terminal {
  /** A text that stays. */
  write(text: string): void;
  /** A line that the next one may replace; without a screen only some of them are shown. */
  showProgress(line: string): void;
  /** False as well where nobody can be asked. */
  ask(question: string): Promise<boolean>;
  readonly canAsk: boolean;
}

export interface CommandOptions {
  readonly admin: ClusterAdmin;
  readonly terminal: Terminal;
  readonly ports: { readonly clock: Clock; readonly timers: Timers };
  readonly signal: AbortSignal;
}

/** The exit code: 0 done, 1 it cannot be done, 3 not applied, 130 interrupted. */
export type ExitCode = 0 | 1 | 3 | 130;

const AGAIN = 'headrace cluster rebalance';

export async function rebalance(flags: RebalanceFlags, options: CommandOptions): Promise<ExitCode> {
  return new Rebalance(flags, options).run();
}

class Rebalance {
  readonly #flags: RebalanceFlags;
  readonly #options: CommandOptions;

  constructor(flags: RebalanceFlags, options: CommandOptions) {
    this.#flags = flags;
    this.#options = options;
  }

  async run(): Promise<ExitCode> {
    if (this.#flags.cancel) return this.#cancel();
    const { admin, ports } = this.#options;
    const seen = await survey(admin, { sampleMs: this.#flags.sampleMs, timers: ports.timers });
    const removing = new Set(this.#flags.removeBroker);
    for (const id of removing) {
      if (!seen.state.brokers.some((broker) => broker.id === id))
        return this.#fail(`there is no broker ${id}`);
    }
    const left = seen.state.brokers.filter(({ id, isAlive }) => isAlive && !removing.has(id)).length;
    const internal = await internalTopics(admin, seen.state, left);
    let found: Plan;
    try {
      found = plan(seen.state, { removing, factors: internal.factors });
    } catch (error) {
      if (error instanceof PlanProblem) return this.#fail(error.message);
      throw error;
    }
    const underWay = movesOf(seen.moving, (name) => sizesOf(seen).get(name) ?? 0);
    this.#show({ seen, found, underWay, internal });
    if (found.moves.length + underWay.length > 0) {
      if (!(await this.#mayApply())) return this.#flags.dryRun ? 0 : 3;
      const applied = await this.#apply({ seen, found, underWay });
      if (applied === 'interrupted') return 130;
    } else if (this.#flags.dryRun) return 0;
    if (internal.minimums.length > 0) {
      await admin.configure(internal.minimums);
      for (const { name, config, value } of internal.minimums) this.#say(`${name}: ${config}=${value}`);
    }
    return this.#finish(removing);
  }

  #show(what: {
    readonly seen: Survey;
    readonly found: Plan;
    readonly underWay: readonly Move[];
    readonly internal: InternalTopics;
  }): void {
    const { seen, found, underWay, internal } = what;
    const removing = new Set(this.#flags.removeBroker);
    const { brokers } = seen.cluster;
    if (this.#flags.json) this.#event('plan', planAsJson({ plan: found, underWay, removing, internal }));
    else this.#options.terminal.write(describePlan({ plan: found, underWay, removing, internal, brokers }));
  }

  async #mayApply(): Promise<boolean> {
    const { terminal } = this.#options;
    if (this.#flags.dryRun) return false;
    if (this.#flags.yes) return true;
    if (this.#flags.json || !terminal.canAsk) {
      this.#say('nothing was moved: --yes applies the plan without asking');
      return false;
    }
    const isWanted = await terminal.ask('Apply this plan?');
    if (!isWanted) this.#say('nothing was moved');
    return isWanted;
  }

  async #apply(what: {
    readonly seen: Survey;
    readonly found: Plan;
    readonly underWay: readonly Move[];
  }): Promise<Applied> {
    const { seen, found, underWay } = what;
    const { admin, terminal, ports, signal } = this.#options;
    const startedMs = ports.clock.monotonicMs();
    let last: Progress | undefined;
    const applied = await apply(found.moves, {
      admin,
      brokerIds: seen.state.brokers.filter(({ isAlive }) => isAlive).map(({ id }) => id),
      underWay,
      throttleBytesPerSecond: this.#flags.throttleBytesPerSecond,
      parallel: this.#flags.parallel,
      signal,
      ports,
      onProgress: (progress) => {
        last = progress;
        if (this.#flags.json) this.#event('progress', progress);
        else terminal.showProgress(progressLine(progress));
      },
      onRefused: (refusal) => {
        if (this.#flags.json) this.#event('refused', refusal);
        else terminal.write(`${nameOf(refusal)} is not moved: ${refusal.errorMessage}\n`);
      },
    });
    const tookMs = ports.clock.monotonicMs() - startedMs;
    if (applied === 'interrupted') this.#sayInterrupted(last);
    else if (this.#flags.json)
      this.#event('done', { moves: last?.moves ?? 0, bytes: last?.bytes ?? 0, tookMs });
    else terminal.write(`done: ${last?.moves ?? 0} partitions in ${(tookMs / 1000).toFixed(1)} s\n`);
    return applied;
  }

  #sayInterrupted(last: Progress | undefined): void {
    const underWay = last?.movesUnderWay ?? 0;
    const waiting = (last?.moves ?? 0) - (last?.movesDone ?? 0) - underWay;
    if (this.#flags.json) {
      this.#event('interrupted', { underWay, waiting });
      return;
    }
    const { terminal } = this.#options;
    terminal.write(
      `\ninterrupted: ${underWay} moves are under way and go on by themselves, ${waiting} were not begun\n`,
    );
    terminal.write(`  to go on       ${AGAIN}\n  to call back   ${AGAIN} --cancel\n`);
    if (this.#flags.throttleBytesPerSecond === undefined) return;
    terminal.write('  The throttle stays until either of them has ended.\n');
  }

  /** Brokers that were to go are empty; who is gone is forgotten. Throttles that an interrupted run has left are lifted. */
  async #finish(removing: ReadonlySet<number>): Promise<ExitCode> {
    const { admin } = this.#options;
    const { brokers } = await admin.cluster();
    await this.#lift(brokers);
    if (removing.size === 0) return 0;
    const partitions = await admin.partitions();
    let code: ExitCode = 0;
    for (const id of removing) {
      const left = partitions.filter(({ replicas }) => replicas.includes(id));
      const broker = brokers.find((one) => one.id === id);
      if (left.length > 0) {
        this.#say(
          `broker ${id} still has ${left.length} replicas, ${nameOf(left[0]!)} among them: run this again`,
        );
        code = 1;
      } else if (broker?.isFenced === true) {
        await admin.unregister(id);
        this.#say(`broker ${id} is unregistered`);
      } else if (broker !== undefined) {
        this.#say(`broker ${id} is empty: stop it, then run this again, which unregisters it`);
      }
    }
    return code;
  }

  /** Only where there is one: most runs change no configuration. */
  async #lift(brokers: readonly BrokerInfo[]): Promise<void> {
    const { admin } = this.#options;
    const throttled: number[] = [];
    for (const { id, isFenced } of brokers) {
      if (!isFenced && (await admin.brokerConfigs(id, RATES, { isOwn: true })).size > 0) throttled.push(id);
    }
    if (throttled.length === 0) return;
    const topics = new Set((await admin.partitions()).map(({ topic }) => topic));
    const lists = await admin.topicConfigs([...topics], REPLICA_LISTS, { isOwn: true });
    await admin.configure([...unthrottleRates(throttled), ...unthrottleReplicas(lists)]);
    this.#say('the throttle is lifted');
  }

  async #cancel(): Promise<ExitCode> {
    const { admin } = this.#options;
    const moving = await admin.reassignments();
    if (this.#flags.json) this.#event('cancelling', { moves: moving.length });
    else this.#options.terminal.write(`${moving.length} moves are under way\n`);
    if (this.#flags.dryRun) return 0;
    const refusals = await admin.reassign(
      moving.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
    );
    // What has ended meanwhile needs no calling back.
    const kept = refusals.filter(({ errorCode }) => errorCode !== Errors.NO_REASSIGNMENT_IN_PROGRESS);
    for (const refusal of kept) this.#say(`${nameOf(refusal)}: ${refusal.errorMessage}`);
    const { brokers } = await admin.cluster();
    await this.#lift(brokers);
    await admin.electPreferred(moving);
    const cancelled = moving.length - refusals.length;
    if (this.#flags.json) this.#event('cancelled', { moves: cancelled });
    else
      this.#options.terminal.write(
        `${cancelled} were called back: these partitions are where they were before\n`,
      );
    return kept.length > 0 ? 1 : 0;
  }

  #say(text: string): void {
    if (this.#flags.json) this.#event('note', { text });
    else this.#options.terminal.write(`${text}\n`);
  }

  #fail(text: string): ExitCode {
    if (this.#flags.json) this.#event('failed', { text });
    else this.#options.terminal.write(`headrace: ${text}\n`);
    return 1;
  }

  #event(event: string, fields: object): void {
    this.#options.terminal.write(`${JSON.stringify({ event, ...fields })}\n`);
  }
}

function sizesOf({ state }: Survey): ReadonlyMap<string, number> {
  return new Map(state.partitions.map((one) => [nameOf(one), one.sizeBytes]));
}
