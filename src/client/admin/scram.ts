/** An administrator's questions about SCRAM users (KIP-554). Passwords are salted here and never leave this process. */
import { pbkdf2Sync } from 'node:crypto';
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../protocol/messages/50-describe-user-scram-credentials.ts';
import {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from '../../protocol/messages/51-alter-user-scram-credentials.ts';
import { ownError } from '../errors.ts';
import { wholeFault } from './cluster.ts';
import { AdminError, eachItem, matched, outcomeOf } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

const MECHANISMS = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const;
const HASHES = {
  'SCRAM-SHA-256': { hash: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { hash: 'sha512', bytes: 64 },
} as const;
/** As Kafka's own tools do: the least that brokers take. */
const ITERATIONS_DEFAULT = 4_096;
const SALT_BYTES = 24;

export type ScramMechanismName = keyof typeof MECHANISMS;

export interface ScramUser {
  readonly user: string;
  readonly credentials: readonly { readonly mechanism: ScramMechanismName; readonly iterations: number }[];
}

/** These users, or all. Errors: RESOURCE_NOT_FOUND for a user who has no credentials. */
export async function describeScramUsers(
  routes: Routes,
  options: AskOptions & { readonly users?: readonly string[] } = {},
): Promise<ScramUser[]> {
  const { users } = options;
  const { results } = await routes.controller(
    {
      request: DescribeUserScramCredentialsRequest,
      response: DescribeUserScramCredentialsResponse,
      body: () => ({ users: users?.map((name) => ({ name })) ?? null }),
    },
    (answer) => wholeFault(answer, 'describing SCRAM users'),
    options,
  );
  const outcomes = results.map((one) => ({
    item: one.user,
    outcome: outcomeOf(one, `user ${one.user}`, () => ({
      user: one.user,
      credentials: one.credentialInfos.flatMap(({ mechanism, iterations }) => {
        const name = mechanismName(mechanism);
        return name === undefined ? [] : [{ mechanism: name, iterations }];
      }),
    })),
  }));
  const found = outcomes.flatMap(({ outcome }) => ('value' in outcome ? [outcome.value] : []));
  const failures = outcomes.flatMap(({ item, outcome }) =>
    'error' in outcome ? [{ item, error: outcome.error }] : [],
  );
  if (failures.length > 0) throw new AdminError(failures, found);
  return found;
}

function mechanismName(code: number): ScramMechanismName | undefined {
  return (Object.keys(MECHANISMS) as ScramMechanismName[]).find((name) => MECHANISMS[name] === code);
}

/** A password to be set, or, with `password: null`, the credential to be removed. */
export interface ScramChange {
  readonly user: string;
  readonly mechanism: ScramMechanismName;
  readonly password: string | null;
  /** 4096 (the default) to 16384. */
  readonly iterations?: number;
}

/** A user's changes are made all together or not at all. Errors: RESOURCE_NOT_FOUND, UNACCEPTABLE_CREDENTIAL. */
export async function alterScramUsers(
  routes: Routes,
  changes: readonly ScramChange[],
  options: AskOptions = {},
): Promise<void> {
  const users = [...Map.groupBy(changes, ({ user }) => user)].map(([user, list]) => ({ user, list }));
  await eachItem(routes, users, {
    ...options,
    nameOf: ({ user }) => user,
    ask: async (asked) => {
      const all = asked.flatMap(({ list }) => list);
      const upsertions = all.flatMap((change) =>
        change.password === null ? [] : [credential(routes, change, change.password)],
      );
      const deletions = all
        .filter(({ password }) => password === null)
        .map(({ user: name, mechanism }) => ({ name, mechanism: MECHANISMS[mechanism] }));
      const { results } = await routes.askController({
        request: AlterUserScramCredentialsRequest,
        response: AlterUserScramCredentialsResponse,
        body: () => ({ deletions, upsertions }),
      });
      return matched(asked, new Map(results.map((one) => [one.user, one])), {
        keyOf: ({ user }) => user,
        outcome: (one, { user }) => outcomeOf(one, `credentials of user ${user}`, () => undefined),
      });
    },
  });
}

interface Credential {
  readonly name: string;
  readonly mechanism: number;
  readonly iterations: number;
  readonly salt: Buffer;
  readonly saltedPassword: Buffer;
}

/** RFC 5802: Hi(password, salt, iterations) is PBKDF2 with the mechanism's hash. It takes some milliseconds. */
function credential(
  { core }: Routes,
  { user: name, mechanism, iterations = ITERATIONS_DEFAULT }: ScramChange,
  password: string,
): Credential {
  if (!Number.isSafeInteger(iterations) || iterations < 1) {
    throw ownError('INVALID_ARGUMENT', `${iterations} iterations for user ${name}`);
  }
  const salt = core.ports.random.bytes(SALT_BYTES);
  const { hash, bytes } = HASHES[mechanism];
  const saltedPassword = pbkdf2Sync(password, salt, iterations, bytes, hash);
  return { name, mechanism: MECHANISMS[mechanism], iterations, salt, saltedPassword };
}
