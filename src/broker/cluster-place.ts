/**
 * How a broker takes its place in the cluster and gives it up. Alone, with a store of its own, it keeps what it leads over a
 * restart. Among others its registration says what its last life has left: where that is not everything the others count
 * on, it begins as a follower; and before it stops it has others lead in its stead.
 */
import type { ClientTls, MetadataStore, Ports, Session, Timers } from '../base/ports.ts';
import { keptOf } from '../log/former-life.ts';
import type { LogDirectories } from '../log/log-directories.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import { ControllerDuty } from '../metadata/controller-duty.ts';
import type { Controller } from '../metadata/controller.ts';
import { ledBy } from '../metadata/controller/elections.ts';
import { isAlive } from '../metadata/controller/partition-change.ts';
import { lastRegistration, type Registration } from '../metadata/controller/registration.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { Membership, type LastLife } from '../metadata/membership.ts';
import { untilReachable } from '../metadata/until-reachable.ts';
import { EndedBrokers } from './ended-brokers.ts';

/** A store in a file has nobody who would wait for the session's end. */
const SESSION_TTL_ALONE_MS = 9_000;
/** A broker that still leads something after this long stops all the same. */
const HAND_OVER_MS_MAX = 20_000;
/** One that cannot tell the others so in this time stops without. */
const ANNOUNCE_MS_MAX = 3_000;
const RESIGN_MS_MAX = 3_000;
/**
 * Clients that have not heard who leads now are answered for so long: the answer names the new leader (KIP-951). One that finds
 * its connection closed instead may wait for its own metadata for seconds (franz-go: 5 s).
 */
const LINGER_MS = 1_000;

export type OwnRegistration = Omit<Registration, 'directories'>;

export interface ClusterPlace {
  /** Registers, with the log directories that are online; from then on requests may come. */
  join(registration: OwnRegistration): Promise<void>;
  /** Resolves when others lead what this broker led, as far as they can. */
  handOver(): Promise<void>;
  /** Ends the registration. */
  leave(): Promise<void>;
  /** Records are gone that others count on: they must not do so any longer, and lead where this broker led. */
  onLoss(): void;
  /** Of the last registration. */
  epoch(): number;
  /** Whether others may lead what this broker believes to lead (`Membership.mayBeFenced`). */
  mayBeFenced(): boolean;
}

export interface ClusterPlaceOptions {
  readonly nodeId: number;
  readonly store: MetadataStore;
  readonly image: ClusterImage;
  readonly controller: Controller;
  readonly logDirectories: LogDirectories;
  readonly settings: () => BrokerSettings;
  readonly durabilityOf: (topic: string) => 'fsync' | 'relaxed';
  /** How the other brokers are reached; undefined: in the clear. */
  readonly tls: () => ClientTls | undefined;
  readonly ports: Ports;
}

export function placeAlone(options: ClusterPlaceOptions): ClusterPlace {
  const { nodeId, store, controller, logDirectories } = options;
  let session: Session | undefined;
  let epoch = -1;
  return {
    async join(registration) {
      session = await store.session(SESSION_TTL_ALONE_MS);
      epoch = await controller.registerBroker(withDirectories(registration, options), session, true);
      await controller.claim(session);
      await controller.removeOrphans();
      if (!logDirectories.wasCleanShutdown) await controller.renewTerms(nodeId);
      await controller.reelect();
    },
    handOver: () => Promise.resolve(),
    // Nobody else has them.
    onLoss: () => {},
    leave: () => session?.close() ?? Promise.resolve(),
    epoch: () => epoch,
    mayBeFenced: () => false,
  };
}

export function placeAmongOthers(options: ClusterPlaceOptions): ClusterPlace {
  const { nodeId, store, image, controller, logDirectories, settings, ports } = options;
  let registration: OwnRegistration | undefined;
  const membership = new Membership({
    store,
    controller,
    // Each time anew: directories fail.
    registration: () => withDirectories(registration!, options),
    sessionTtlMs: settings().replication.brokerSessionTimeoutMs,
    onRegistered: (epoch) => logDirectories.beginLife({ brokerEpoch: epoch, bootId: ports.bootId }),
    isRegistered: (epoch) => image.brokers.get(nodeId)?.epoch === epoch,
    onSession: () => duty.sessionChanged(),
    hasLost: (topic, partition) => logDirectories.hasLost({ topic, partition }),
    ports,
  });
  const ended = new EndedBrokers({
    ports,
    image,
    nodeId,
    listener: settings().listeners.interBrokerListenerName,
    tls: options.tls,
    evict: (other, epoch) => controller.evictEnded(other, epoch),
  });
  let unsubscribe = (): void => {};
  const duty = new ControllerDuty({
    controller,
    image,
    nodeId,
    session: () => membership.session,
    rebalance: () => {
      const { autoLeaderRebalanceEnable, leaderImbalanceCheckIntervalMs } = settings().replication;
      return { isEnabled: autoLeaderRebalanceEnable, intervalMs: leaderImbalanceCheckIntervalMs };
    },
    ports,
  });
  return {
    async join(own) {
      registration = own;
      const { initialBrokerRegistrationTimeoutMs: limitMs } = settings().replication;
      await untilReachable(() => membership.join(lastLife(options)), { limitMs, ports });
      unsubscribe = image.onChange(({ brokersChanged }) => {
        if (brokersChanged) membership.brokersChanged();
      });
      ended.start();
      await duty.start();
    },
    async handOver() {
      ended.stop();
      // A store that does not answer must not hold up the stop: then the others find out by the session's end.
      const hasHandedOver = await within(ports.timers, HAND_OVER_MS_MAX, handOver(options, membership));
      const lingering = hasHandedOver === true ? pause(ports.timers, LINGER_MS) : undefined;
      await within(ports.timers, RESIGN_MS_MAX, duty.stop());
      await lingering;
    },
    leave() {
      ended.stop();
      unsubscribe();
      return membership.leave();
    },
    onLoss: () => membership.startOver(),
    epoch: () => membership.epoch,
    mayBeFenced: () => membership.mayBeFenced,
  };
}

function withDirectories(
  registration: OwnRegistration,
  { logDirectories }: Pick<ClusterPlaceOptions, 'logDirectories'>,
): Registration {
  const online = logDirectories.directories().filter(({ isOnline }) => isOnline);
  return { ...registration, directories: online.map(({ id }) => id) };
}

/** What this broker's log directories say about its last life, and what the cluster knows of it. */
function lastLife(options: ClusterPlaceOptions): LastLife {
  const { nodeId, image, logDirectories, durabilityOf, ports } = options;
  const lives = logDirectories.formerLives();
  const kept = keptOf(lives, lastRegistration(image, nodeId), ports.bootId);
  const standing = image.brokers.get(nodeId)?.epoch ?? -1;
  // The lock on its log directories is ours: whoever was registered with them has ended.
  const isOver = standing >= 0 && lives.some(({ brokerEpoch }) => brokerEpoch === standing);
  ports.logger.info({ nodeId, kept }, 'what the last life of this broker has left');
  return {
    epoch: isOver ? standing : -1,
    hasLost: (topic, partition) =>
      kept === 'unknown' ||
      (kept === 'durable' && durabilityOf(topic) !== 'fsync') ||
      logDirectories.hasLost({ topic, partition }),
  };
}

/** Whether others lead now what this broker led. */
async function handOver(
  { nodeId, image, settings, ports }: ClusterPlaceOptions,
  membership: Membership,
): Promise<boolean> {
  const isNeeded = (): boolean => ledBy(image, nodeId).length > 0;
  const hasLed = isNeeded();
  const hasOthers = [...image.brokers.keys()].some((id) => id !== nodeId && isAlive(image, id));
  if (!settings().replication.controlledShutdownEnable || !hasOthers) return false;
  try {
    const hasAnnounced = await within(ports.timers, ANNOUNCE_MS_MAX, membership.announceStop());
    if (hasAnnounced !== true) return false;
  } catch (error) {
    ports.logger.warn({ error: String(error) }, 'the others could not be told that this broker stops');
    return false;
  }
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (isNeeded()) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = image.onChange(look);
    look();
  });
  return hasLed;
}

function pause(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => timers.after(delayMs, resolve));
}

/** What the promise resolves with, or undefined after so long; it goes on by itself then. */
async function within<T>(timers: Timers, limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const limit = timers.after(limitMs, () => resolve(undefined));
  try {
    return await Promise.race([promise, over]);
  } finally {
    limit.cancel();
  }
}
