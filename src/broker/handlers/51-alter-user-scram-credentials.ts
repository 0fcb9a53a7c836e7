/** AlterUserScramCredentials (key 51): sets and removes what is kept of users' passwords (KIP-554). */
import { SCRAM_USER_LENGTH_MAX, type ScramUserChange } from '../../metadata/controller/scram-users.ts';
import { refusal, type Outcome } from '../../metadata/outcome.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
  type AlterUserScramCredentialsRequest as Request,
} from '../../protocol/messages/51-alter-user-scram-credentials.ts';
import {
  credentialOf,
  ITERATIONS_MAX,
  ITERATIONS_MIN,
  SCRAM_MECHANISMS,
  type ScramMechanism,
} from '../../security/sasl/scram.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';

/** Of salts and salted passwords: twice what the longest hash has. */
const SECRET_BYTES_MAX = 128;

export const alterUserScramCredentials = handler(
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
  async (request, context, services) => {
    requireClusterOperation(services, context, 'ALTER');
    const outcomes = new Map<string, Outcome>();
    for (const name of userNames(request)) {
      const problem = problemOf(request, name);
      if (problem !== undefined) outcomes.set(name, problem);
    }
    const changes = userNames(request)
      .filter((name) => !outcomes.has(name))
      .map((name) => changeOf(request, name));
    const done = await services.controller.alterScramUsers(changes);
    changes.forEach(({ name }, index) => outcomes.set(name, done[index]!));
    const results = [...outcomes].map(([user, outcome]) => ({ user, ...outcome }));
    return { throttleTimeMs: 0, results };
  },
);

function userNames({ deletions, upsertions }: Request): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))];
}

/** Why nothing of this user is changed. */
function problemOf({ deletions, upsertions }: Request, user: string): Outcome | undefined {
  const unacceptable = (message: string): Outcome => refusal(Errors.UNACCEPTABLE_CREDENTIAL, message);
  const own = [...deletions, ...upsertions].filter(({ name }) => name === user);
  if (user === '') return unacceptable('Username must not be empty');
  if (user.length > SCRAM_USER_LENGTH_MAX) return unacceptable('Username is too long');
  if (own.some(({ mechanism }) => mechanismOf(mechanism) === undefined)) {
    return refusal(Errors.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism');
  }
  if (new Set(own.map(({ mechanism }) => mechanism)).size !== own.length) {
    const message = 'A user credential cannot be altered twice in the same request';
    return refusal(Errors.DUPLICATE_RESOURCE, message);
  }
  for (const { name, iterations, salt, saltedPassword } of upsertions) {
    if (name !== user) continue;
    if (iterations < ITERATIONS_MIN) return unacceptable('Too few iterations');
    if (iterations > ITERATIONS_MAX) return unacceptable('Too many iterations');
    for (const bytes of [salt, saltedPassword]) {
      if (bytes.length === 0) return unacceptable('Salt and salted password must not be empty');
      if (bytes.length > SECRET_BYTES_MAX) return unacceptable('Salt or salted password is too long');
    }
  }
  return undefined;
}

function changeOf({ deletions, upsertions }: Request, user: string): ScramUserChange {
  return {
    name: user,
    deletions: deletions.filter(({ name }) => name === user).map(({ mechanism }) => mechanism),
    upsertions: upsertions
      .filter(({ name }) => name === user)
      .map(({ mechanism, ...from }) => ({ mechanism, ...credentialOf(mechanismOf(mechanism)!, from) })),
  };
}

function mechanismOf(code: number): ScramMechanism | undefined {
  const found = Object.entries(SCRAM_MECHANISMS).find(([, own]) => own === code);
  return found?.[0] as ScramMechanism | undefined;
}
