/**
 * What a log directory knows of the broker's last life, and what that says about its records.
 *
 *   headrace.life   JSON {"version":0,"brokerEpoch":n,"bootId":"..."}: since the registration with this epoch the
 *                   directory has been in use, on a system that was booted under this id.
 *
 * Only brokers of a cluster write it. After a clean shutdown `.kafka_cleanshutdown` holds the same epoch.
 */

export interface Life {
  readonly brokerEpoch: number;
  /** Undefined where the system tells none. */
  readonly bootId: string | undefined;
}

export interface FormerLife extends Life {
  /** KIP-858. */
  readonly directoryId: string;
  readonly wasClean: boolean;
}

/**
 * Of what the broker had when it was registered last. 'everything': it stopped cleanly, or only the process ended and the
 * system still has all that was written. 'durable': what was not synced may be gone. 'unknown': nothing is certain, the
 * directories may be new, or a copy from another time.
 */
export type Kept = 'everything' | 'durable' | 'unknown';

/** `registered`: epoch and log directories of the last registration that the cluster knows. */
export function keptOf(
  lives: readonly FormerLife[],
  registered: { readonly epoch: number; readonly directories: readonly string[] },
  bootId: string | undefined,
): Kept {
  // A directory that was away then may have brought back logs that are older than those made in its absence.
  const hasReturned = lives.some(
    ({ directoryId, brokerEpoch }) => brokerEpoch >= 0 && !registered.directories.includes(directoryId),
  );
  if (hasReturned) return 'unknown';
  let kept: Kept = 'everything';
  for (const id of registered.directories) {
    const life = lives.find(({ directoryId }) => directoryId === id);
    if (life === undefined || life.brokerEpoch !== registered.epoch) return 'unknown';
    const isSameSystem = bootId !== undefined && life.bootId === bootId;
    if (!life.wasClean && !isSameSystem) kept = 'durable';
  }
  return registered.directories.length === 0 ? 'unknown' : kept;
}

export function formatLife({ brokerEpoch, bootId }: Life): Buffer {
  return Buffer.from(
    JSON.stringify({ version: 0, brokerEpoch, ...(bootId === undefined ? {} : { bootId }) }),
  );
}

/** Undefined: there is none, or it cannot be read. */
export function parseLife(content: Buffer | undefined): Life | undefined {
  if (content === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
  const { version, brokerEpoch, bootId } = (parsed ?? {}) as Record<string, unknown>;
  if (version !== 0 || !Number.isSafeInteger(brokerEpoch)) return undefined;
  return { brokerEpoch: brokerEpoch as number, bootId: typeof bootId === 'string' ? bootId : undefined };
}
