/** All messages and records that Headrace declares, in one list for the tests that go through all of them. */
import { APIS } from '../../src/protocol/apis.ts';
import * as header from '../../src/protocol/messages/header.ts';
import * as consumerGroup from '../../src/protocol/records/consumer-group.ts';
import * as consumerProtocol from '../../src/protocol/records/consumer-protocol.ts';
import * as group from '../../src/protocol/records/group.ts';
import * as log from '../../src/protocol/records/log.ts';
import * as principal from '../../src/protocol/records/principal.ts';
import * as quorum from '../../src/protocol/records/quorum.ts';
import * as remoteLog from '../../src/protocol/records/remote-log.ts';
import * as shareGroup from '../../src/protocol/records/share-group.ts';
import * as shareState from '../../src/protocol/records/share-state.ts';
import * as streamsGroup from '../../src/protocol/records/streams-group.ts';
import * as transaction from '../../src/protocol/records/transaction.ts';
import { ends, type AnyMessage } from '../../src/protocol/schema.ts';

const FILES = [
  header,
  consumerGroup,
  consumerProtocol,
  group,
  log,
  principal,
  quorum,
  remoteLog,
  shareGroup,
  shareState,
  streamsGroup,
  transaction,
];

const isMessage = (value: unknown): value is AnyMessage =>
  typeof value === 'object' && value !== null && 'flexible' in value && 'fields' in value;

/** Requests and responses by key, then headers and records. */
export const OUR_MESSAGES: readonly AnyMessage[] = [
  ...APIS.flatMap(({ request, response }) => [request, response]),
  ...FILES.flatMap((file) => Object.values(file).filter(isMessage)),
];

/** The versions of a message, ascending. */
export function versionsOf({ versions }: AnyMessage): number[] {
  const { min, max } = ends(versions);
  return Array.from({ length: max - min + 1 }, (_, n) => min + n);
}
