/**
 * A broker's place in a cluster: its session with the metadata store and the registration that lives with it. When the
 * session is lost (the store was out of reach for too long, or the process stood still) the others may have taken the broker
 * for dead. It goes on serving what it leads, because epochs and in-sync sets, not time, keep it from doing harm; and it
 * comes back by itself: with its old registration where that still stands, else with a new one, after it has left
 * what the old one was in sync in. The same when others have found it dead, and were wrong (broker/ended-brokers.ts).
 */
import type { Logger, MetadataStore, Session, Timers } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Controller } from './controller.ts';
import type { Registration } from './controller/registration.ts';

const LOST = 'the session was over before the registration was';
const RETRY_DELAY_MS = 500;
/** How much longer than promised the store may keep a session whose process has gone (see the lease in etcd). */
const SESSION_LATE_FACTOR = 2;

export interface MembershipOptions {
  readonly store: MetadataStore;
  readonly controller: Pick<Controller, 'evict' | 'depart' | 'registerBroker' | 'renewRegistration'>;
  readonly registration: () => Registration;
  readonly sessionTtlMs: number;
  /** Called with each new broker epoch, before anybody can count on the broker under it. */
  readonly onRegistered: (epoch: number) => void;
  /** Whether the registration with this epoch stands, as far as this broker knows. */
  readonly isRegistered: (epoch: number) => boolean;
  /** Called when there is a session again. */
  readonly onSession: () => void;
  /** As in LastLife, of what the process has lost while it lives. */
  readonly hasLost: LastLife['hasLost'];
  readonly ports: { readonly timers: Timers; readonly logger: Logger };
}

/** What is known of the broker's last life when it registers. */
export interface LastLife {
  /** Of a registration that is certainly over although it may still stand; -1: none is known. */
  readonly epoch: number;
  /** Whether records of this partition may be gone that others count on. */
  readonly hasLost: (topic: string, partition: number) => boolean;
}

export class Membership {
  readonly #options: MembershipOptions;
  #session: Session | undefined;
  /** The session that the standing registration lives with, as far as this broker knows. */
  #registered: Session | undefined;
  #epoch = -1;
  #isStopping = false;
  #isLeaving = false;
  #isJoined = false;
  #isRejoining = false;
  /** Its registration must not be renewed, since it promises records that are gone. */
  #mustDepart = false;
  #isChecking = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Undefined while it is lost. */
  get session(): Session | undefined {
    return this.#session;
  }
  /**
   * Whether others may have taken this broker for dead, and lead in its stead, without it knowing yet. Not so while its session
   * lives, and from the moment in which it is registered again: everything that was decided meanwhile is in its image then.
   */
  get mayBeFenced(): boolean {
    const session = this.#registered;
    return session === undefined || session !== this.#session || !session.isAlive();
  }
  /** Of the last registration; -1 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Registers. Another registration under the same node id is waited for as long as one of a process that has died could
   * stand; then rejects with DUPLICATE_BROKER_REGISTRATION.
   */
  async join(lastLife: LastLife): Promise<void> {
    const { store, sessionTtlMs, ports } = this.#options;
    const attempts = Math.ceil((sessionTtlMs * SESSION_LATE_FACTOR) / RETRY_DELAY_MS);
    for (let attempt = 1; ; attempt++) {
      const session = this.#hold(await store.session(sessionTtlMs));
      try {
        await this.#register(session, lastLife);
        if (this.#session !== session) throw new KafkaError(Errors.DUPLICATE_BROKER_REGISTRATION, LOST);
        this.#isJoined = true;
        this.#registered = session;
        if (this.#mustDepart) this.startOver();
        return;
      } catch (error) {
        this.#session = undefined;
        await session.close().catch(() => {});
        if (!isDuplicate(error) || attempt >= attempts) throw error;
        if (attempt === 1) ports.logger.warn({}, 'another registration under this node id is waited for');
        await this.#pause();
      }
    }
  }

  /** Tells the others that this broker is about to stop; false: it is not registered at the moment. */
  async announceStop(): Promise<boolean> {
    this.#isStopping = true;
    const session = this.#session;
    return session !== undefined && (await this.#renew(session));
  }

  /**
   * To be called when the cluster's brokers have changed. Others may have taken this broker for dead, with its session still
   * alive: what it claimed by that session is over as well.
   */
  brokersChanged(): void {
    if (this.#isChecking || !this.#isMissing()) return;
    this.#isChecking = true;
    this.#options.ports.timers.soon(() => {
      this.#isChecking = false;
      const session = this.#session;
      if (session === undefined || !this.#isMissing()) return;
      session.close().catch(() => {});
      this.#onLost(session);
    });
  }

  #isMissing(): boolean {
    if (!this.#isJoined || this.#isRejoining || this.#isLeaving || this.#session === undefined) return false;
    return !this.#options.isRegistered(this.#epoch);
  }

  /**
   * Gives up its registration and takes another one, by which it is neither in sync nor eligible where it has lost records:
   * a log directory has failed, and others must lead what was there.
   */
  startOver(): void {
    const session = this.#session;
    this.#mustDepart = true;
    this.#session = undefined;
    if (this.#isLeaving || !this.#isJoined) return;
    void session?.close().catch(() => {});
    if (!this.#isRejoining) void this.#rejoin();
  }

  /** Ends the session, and the registration with it. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  #hold(session: Session): Session {
    this.#session = session;
    session.onLost = () => this.#onLost(session);
    return session;
  }

  async #register(session: Session, { epoch, hasLost }: LastLife): Promise<void> {
    const { controller, registration, onRegistered } = this.#options;
    const own = registration();
    if (epoch >= 0) await controller.evict(own.nodeId, epoch);
    await controller.depart(own.nodeId, hasLost);
    const registered = await controller.registerBroker(own, session, false);
    // It came to its end before it was heard of.
    if (registered < 0) throw new KafkaError(Errors.BROKER_ID_NOT_REGISTERED);
    this.#epoch = registered;
    onRegistered(registered);
  }

  async #registerAnew(session: Session): Promise<void> {
    const mustDepart = this.#mustDepart;
    // What is lost from here on is for the next time.
    this.#mustDepart = false;
    try {
      await this.#register(session, { epoch: this.#epoch, hasLost: this.#options.hasLost });
    } catch (error) {
      this.#mustDepart ||= mustDepart;
      throw error;
    }
  }

  #renew(session: Session): Promise<boolean> {
    const { controller, registration } = this.#options;
    const { nodeId, incarnationId } = registration();
    const standing = { nodeId, incarnationId, epoch: this.#epoch, isStopping: this.#isStopping };
    return controller.renewRegistration(standing, session);
  }

  #onLost(session: Session): void {
    if (this.#session !== session || this.#isLeaving) return;
    this.#session = undefined;
    const { ports } = this.#options;
    ports.logger.warn({ epoch: this.#epoch }, 'this broker is not registered any more: it registers again');
    if (this.#isJoined && !this.#isRejoining) void this.#rejoin();
  }

  /** Until it succeeds, or the broker leaves. The process has lived on: what it wrote is there, unless a disk has failed. */
  async #rejoin(): Promise<void> {
    const { store, sessionTtlMs, ports } = this.#options;
    this.#isRejoining = true;
    while (!this.#isLeaving && this.#session === undefined) {
      let session: Session | undefined;
      try {
        session = await store.session(sessionTtlMs);
        if (this.#isLeaving) {
          await session.close();
          break;
        }
        this.#hold(session);
        if (this.#mustDepart || !(await this.#renew(session))) await this.#registerAnew(session);
        if (this.#session === session) {
          this.#registered = session;
          ports.logger.info({ epoch: this.#epoch }, 'this broker is registered again');
          this.#options.onSession();
        }
      } catch (error) {
        const message = isDuplicate(error)
          ? 'another broker is registered under this node id'
          : 'this broker could not register again';
        ports.logger.warn({ error: String(error) }, message);
        if (this.#session === session) this.#session = undefined;
        await session?.close().catch(() => {});
        await this.#pause();
      }
    }
    this.#isRejoining = false;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.ports.timers.after(RETRY_DELAY_MS, resolve));
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof KafkaError && error.code === Errors.DUPLICATE_BROKER_REGISTRATION;
}
