/**
 * The one place where decisions become transactions. A decision is taken on the image as it is; if the store has moved
 * on meanwhile the transaction fails, and the decision is taken again on the newer image. When it resolves, the change
 * is in the image of this broker: who asked reads what was written.
 */
import type { Compare, MetadataStore } from '../base/ports.ts';
import { assert } from '../base/assert.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { ClusterImage } from './image.ts';
import type { Decision } from './outcome.ts';
import { MetadataStoreError } from './store-error.ts';

/** Operations, and compares, that etcd allows in one transaction. */
export const TXN_OPERATIONS_MAX = 128;
/** Attempts before a decision that keeps losing against others is given up with REQUEST_TIMED_OUT. */
export const ATTEMPTS_MAX = 32;

export interface TransactOptions {
  /** Asked for before each attempt: compares that it rests on besides, such as that of the controller's own key. */
  readonly fence?: () => readonly Compare[];
  /** Called before each attempt; throws when it is of no use any more. */
  readonly check?: () => void;
  /**
   * Called after an unknown outcome; resolves when what was tried has been done or never will be. Without it, it may yet be
   * done much later: a key that did not exist, and does not exist again by then, would come back.
   */
  readonly settle?: () => Promise<void>;
}

export async function transact<T>(
  store: MetadataStore,
  image: ClusterImage,
  decide: () => Decision<T>,
  options: TransactOptions = {},
): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    options.check?.();
    const { compares, operations, result, isRenewal } = decide();
    if (operations.length === 0) return result;
    const all = [...(options.fence?.() ?? []), ...compares];
    const size = Math.max(all.length, operations.length);
    assert(size <= TXN_OPERATIONS_MAX, 'a decision fits in one transaction');
    let outcome;
    try {
      outcome = await store.txn(all, operations);
    } catch (error) {
      mustBeUnknown(error);
      await options.settle?.();
      if ((await wasApplied(store, image, operations, error)) && isRenewal !== true) return result;
      continue;
    }
    await image.waitFor(outcome.revision);
    if (outcome.succeeded) return result;
  }
  throw new KafkaError(Errors.REQUEST_TIMED_OUT, 'the metadata kept changing');
}

/** Where it is certain that nothing was changed, and trying again at once helps nobody, the caller is told why. */
function mustBeUnknown(error: unknown): void {
  if (!(error instanceof MetadataStoreError)) return;
  const { code, message } = error;
  if (code === 'refused') throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, message, { cause: error });
  if (code === 'unavailable' || code === 'sessionNotFound')
    throw new KafkaError(Errors.REQUEST_TIMED_OUT, message, { cause: error });
}

/**
 * After an unknown outcome: linearizable reads tell whether the keys are what the operations would have made them, and
 * the image catches up with what was read. A like result by somebody else counts as well: each put either carries an id
 * that nobody else has, or is fenced by the controller's key.
 */
async function wasApplied(
  store: MetadataStore,
  image: ClusterImage,
  operations: Decision<unknown>['operations'],
  cause: unknown,
): Promise<boolean> {
  try {
    let applied = true;
    for (const operation of operations) {
      const { revision, entries } = await store.range(operation.key);
      const value = entries.find((entry) => entry.key === operation.key)?.value;
      await image.waitFor(revision);
      if (operation.type === 'put') applied = value !== undefined && value.equals(operation.value);
      else applied = value === undefined;
      if (!applied) return false;
    }
    return applied;
  } catch {
    throw new KafkaError(Errors.REQUEST_TIMED_OUT, 'the metadata store does not answer', { cause });
  }
}
