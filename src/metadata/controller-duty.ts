/**
 * The life of a controller: any broker claims the decisions when nobody has them, after a short random delay so that not
 * all do at once, and whoever has them sees to it that leaders and in-sync sets follow the brokers that are alive. What is
 * to be done is found in the image each time, never remembered, so that a controller can go at any moment and the next one
 * goes on; and one that was deposed without noticing fails at the compare of its key.
 */
import type { Logger, Random, Session, Timer, Timers } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Controller } from './controller.ts';
import type { ClusterImage, ImageChange } from './image.ts';
import { mayLead } from './controller/partition-change.ts';

/** At most this long after the controller has gone another broker claims its place. */
const CLAIM_DELAY_MS_MAX = 50;
/** After an attempt that the store did not answer. */
const RETRY_DELAY_MS = 500;
/** Changes of partitions while some broker is away are looked at together. */
const SETTLE_DELAY_MS = 100;

export interface ControllerDutyOptions {
  readonly controller: Pick<
    Controller,
    'isActive' | 'claim' | 'reelect' | 'rebalanceLeaders' | 'resign' | 'removeOrphans'
  >;
  readonly image: ClusterImage;
  readonly nodeId: number;
  /** This broker's; undefined while it has none, and cannot claim. */
  readonly session: () => Session | undefined;
  /** auto.leader.rebalance.enable and leader.imbalance.check.interval.seconds. */
  readonly rebalance: () => { readonly isEnabled: boolean; readonly intervalMs: number };
  readonly ports: { readonly timers: Timers; readonly random: Random; readonly logger: Logger };
}

export class ControllerDuty {
  readonly #options: ControllerDutyOptions;
  #unsubscribe = (): void => {};
  #claiming: Timer | undefined;
  /** The session that the claim rests on. */
  #claimedBy: Session | undefined;
  #settling: Timer | undefined;
  #rebalancing: Timer | undefined;
  #work: Promise<void> | undefined;
  #isMoreToDo = false;
  #isStopped = false;

  constructor(options: ControllerDutyOptions) {
    this.#options = options;
  }

  /** Claims at once if nobody has the decisions; resolves when what there was to do is done, or is tried again. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#options.image.onChange((change) => this.#onChange(change));
    this.#armRebalance();
    await this.#claim();
  }

  /** The broker has a session again: what could not be claimed without can be now. */
  sessionChanged(): void {
    void this.#claim();
  }

  /** Gives the decisions up, so that another broker need not wait for the session's end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    for (const timer of [this.#claiming, this.#settling, this.#rebalancing]) timer?.cancel();
    await this.#work;
    await this.#options.controller.resign();
  }

  #onChange(change: ImageChange): void {
    const { image, controller, nodeId, ports } = this.#options;
    if (change.controllerChanged) {
      this.#claiming?.cancel();
      // A claim that is ours unknown to us came from an attempt whose answer was lost.
      const isVacant = image.controllerId === -1 || (image.controllerId === nodeId && !controller.isActive);
      if (isVacant) this.#claimAfter(ports.random.float() * CLAIM_DELAY_MS_MAX);
    }
    if (!controller.isActive) return;
    if (change.brokersChanged || change.configsChanged.length > 0) void this.#settle();
    else if (change.topicsCreated.length > 0 || change.partitionsChanged.length > 0) this.#settleLater();
  }

  #claimAfter(delayMs: number): void {
    if (this.#isStopped) return;
    this.#claiming = this.#options.ports.timers.after(delayMs, () => void this.#claim());
  }

  async #claim(): Promise<void> {
    const { controller, image, nodeId, session: current, ports } = this.#options;
    const session = current();
    const isOthers = image.controllerId !== -1 && image.controllerId !== nodeId;
    const isOurs = controller.isActive && this.#claimedBy === session;
    if (this.#isStopped || session === undefined || isOthers || isOurs) return;
    this.#claiming?.cancel();
    try {
      if (!(await controller.claim(session))) {
        if (image.controllerId === nodeId) this.#claimAfter(RETRY_DELAY_MS);
        return;
      }
      this.#claimedBy = session;
    } catch (error) {
      ports.logger.warn({ error: String(error) }, 'the decisions of the cluster could not be claimed');
      this.#claimAfter(RETRY_DELAY_MS);
      return;
    }
    if (!this.#isStopped) await this.#settle();
  }

  /** Only while a broker is away can a change of a partition be one that does not fit the brokers. */
  #settleLater(): void {
    const { image, ports } = this.#options;
    if (this.#settling !== undefined) return;
    if ([...image.brokers.keys()].every((id) => mayLead(image, id))) return;
    this.#settling = ports.timers.after(SETTLE_DELAY_MS, () => void this.#settle());
  }

  /** One round at a time; what changes meanwhile is seen by the next. */
  #settle(): Promise<void> {
    this.#settling?.cancel();
    this.#settling = undefined;
    this.#isMoreToDo = true;
    this.#work ??= this.#rounds().finally(() => {
      this.#work = undefined;
    });
    return this.#work;
  }

  async #rounds(): Promise<void> {
    const { controller, ports } = this.#options;
    while (this.#isMoreToDo && controller.isActive && !this.#isStopped) {
      this.#isMoreToDo = false;
      try {
        await controller.reelect();
        await controller.removeOrphans();
      } catch (error) {
        // It may have the decisions again by now; then there is more to do.
        if (isDeposed(error)) continue;
        ports.logger.warn({ error: String(error) }, 'elections could not be made; they are tried again');
        await new Promise<void>((resolve) => ports.timers.after(RETRY_DELAY_MS, resolve));
        this.#isMoreToDo = true;
      }
    }
  }

  #armRebalance(): void {
    const { ports, rebalance, controller } = this.#options;
    if (this.#isStopped) return;
    this.#rebalancing = ports.timers.after(rebalance().intervalMs, () => {
      this.#armRebalance();
      if (!controller.isActive || !rebalance().isEnabled) return;
      controller.rebalanceLeaders().catch((error: unknown) => {
        ports.logger.warn({ error: String(error) }, 'leaders could not go back to their preferred replicas');
      });
    });
  }
}

function isDeposed(error: unknown): boolean {
  return error instanceof KafkaError && error.code === Errors.NOT_CONTROLLER;
}
