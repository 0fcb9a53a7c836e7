/** AlterUserScramCredentials: what is kept of users' passwords is set and removed (KIP-554). */
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage, ScramCredentialImage } from '../image.ts';
import { scramUserKey } from '../keys.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { encodeRecord, ScramUserRecord } from '../records.ts';

/** Every broker keeps all of them in memory. */
export const SCRAM_USERS_MAX = 100_000;
/** A user's name is a key of the store. In characters. */
export const SCRAM_USER_LENGTH_MAX = 1_024;

export interface ScramUserChange {
  readonly name: string;
  /** Mechanisms, by code, for which the user is to have no credential any more. */
  readonly deletions: readonly number[];
  readonly upsertions: readonly ScramCredentialImage[];
}

/** One operation a user: all of its changes or none. */
export function alterScramUsers(
  image: ClusterImage,
  changes: readonly ScramUserChange[],
): Decision<Outcome[]> {
  const change = new Change();
  let added = 0;
  const results = changes.map(({ name, deletions, upsertions }): Outcome => {
    const known = image.scramUsers.get(name);
    const credentials = new Map((known ?? []).map((one) => [one.mechanism, one]));
    for (const mechanism of deletions) {
      if (credentials.delete(mechanism)) continue;
      const message = 'Attempt to delete a user credential that does not exist';
      return refusal(Errors.RESOURCE_NOT_FOUND, message);
    }
    for (const credential of upsertions) credentials.set(credential.mechanism, credential);
    if (known === undefined && image.scramUsers.size + ++added > SCRAM_USERS_MAX) {
      const message = `There are ${SCRAM_USERS_MAX} users already`;
      return refusal(Errors.POLICY_VIOLATION, message);
    }
    const key = scramUserKey(name);
    const { modRevision } = image.keyRevisions(key);
    if (credentials.size === 0) change.delete(key, modRevision);
    else
      change.put(key, modRevision, encodeRecord(ScramUserRecord, { credentials: [...credentials.values()] }));
    return SUCCESS;
  });
  return change.decide(results);
}
