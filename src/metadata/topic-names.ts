/** What a topic may be called, and which topics are Kafka's own. */

export const OFFSETS_TOPIC = '__consumer_offsets';
export const TRANSACTIONS_TOPIC = '__transaction_state';
export const SHARE_STATE_TOPIC = '__share_group_state';
/** Kafka's metadata log. Headrace has none, but the name stays reserved. */
export const CLUSTER_METADATA_TOPIC = '__cluster_metadata';

export const TOPIC_NAME_LENGTH_MAX = 249;

const INTERNAL: ReadonlySet<string> = new Set([OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_STATE_TOPIC]);

/** Topics that the broker itself keeps; clients may read but not write them. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL.has(name);
}

/** Why the name is not legal, in Kafka's words; undefined: it is. Names become folder names, so this guards paths too. */
export function topicNameProblem(name: string): string | undefined {
  const problem = reason(name);
  return problem === undefined ? undefined : `Topic name is invalid: ${problem}`;
}

function reason(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `the length of '${name}' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return undefined;
}

/** Names with the same result collide: metrics write '.' as '_'. */
export function collisionName(name: string): string {
  return name.replaceAll('.', '_');
}

export function canCollide(name: string): boolean {
  return name.includes('.') || name.includes('_');
}
