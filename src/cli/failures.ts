/** What is said when a command fails, and with which exit code: 1 for a failure, 2 for wrong usage. */
import { UsageError } from './command.ts';

/** For advice: what was asked, and where. */
export interface Failed {
  readonly bootstrap: string;
  readonly command: string;
}

export interface Failure {
  readonly exitCode: 1 | 2;
  readonly problems: readonly string[];
  /** What to do next. */
  readonly advice?: string;
}

/** What can be done about it on this command line. */
const NEXT: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'headrace topics list shows the topics, headrace topics create NAME makes one',
  TOPIC_ALREADY_EXISTS: 'headrace topics alter changes it',
  GROUP_ID_NOT_FOUND: 'headrace groups list shows the groups',
  NON_EMPTY_GROUP: 'stop its members first; headrace groups describe GROUP --members shows them',
  TRANSACTIONAL_ID_NOT_FOUND: 'headrace transactions list shows the transactional ids',
  SASL_AUTHENTICATION_FAILED: '--command-config names a file with security.protocol and sasl.*',
  ILLEGAL_SASL_STATE: '--command-config names a file with security.protocol and sasl.*',
  TLS_REFUSED: '--command-config names a file with security.protocol and ssl.*',
  SECURITY_DISABLED: 'the brokers have no authorizer: set authorizer.class.name',
};
const UNREACHABLE = new Set(['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT', 'TIMEOUT', 'INVALID_ANSWER']);
/** More failures of one call are counted. */
const NAMED_MAX = 20;

interface KafkaErrorLike extends Error {
  readonly errorName: string;
  readonly advice?: string;
  readonly failures?: readonly { readonly error: KafkaErrorLike }[];
}

export function describeFailure(error: unknown, { bootstrap, command }: Failed): Failure {
  if (error instanceof UsageError) {
    const advice = `headrace ${command} --help shows how it is used`;
    return { exitCode: 2, problems: [error.message], advice };
  }
  if (!isKafkaErrorLike(error)) {
    return { exitCode: 1, problems: [error instanceof Error ? error.message : String(error)] };
  }
  const next = NEXT[error.errorName];
  const failures = error.failures ?? [{ error }];
  const problems = [...new Set(failures.map((one) => textOf(one.error, next !== undefined)))];
  if (problems.length > NAMED_MAX) {
    problems.splice(NAMED_MAX, problems.length, `and ${problems.length - NAMED_MAX} more`);
  }
  if (next !== undefined) return { exitCode: 1, problems, advice: next };
  if (!UNREACHABLE.has(error.errorName)) return { exitCode: 1, problems };
  const advice = `does a broker listen at ${bootstrap}? --bootstrap-server names another address`;
  return { exitCode: 1, problems, advice };
}

/** What the command line advises is better than what the client does, which knows no commands. */
function textOf({ message, advice }: KafkaErrorLike, isAdvised: boolean): string {
  const end = ` (${advice})`;
  return isAdvised && message.endsWith(end) ? message.slice(0, -end.length) : message;
}

/** By its shape: the client is loaded only by commands that need it. */
function isKafkaErrorLike(error: unknown): error is KafkaErrorLike {
  return error instanceof Error && 'errorName' in error;
}
