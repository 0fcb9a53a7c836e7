/**
 * What the client tells whoever listens, over `node:diagnostics_channel`. Nothing is made while nobody does. Tracing channels
 * (`tracing:NAME:start`, `:end`, `:asyncStart`, `:asyncEnd`, `:error`):
 *
 *     headrace.producer.send     one `send` or `sendAll`, until it is acknowledged
 *     headrace.consumer.process  one call of a handler of `Consumer.run`
 *     headrace.client.request    one request to a broker, until its answer
 *
 * and the plain channels `headrace.consumer.receive` (a batch was handed out) and `headrace.consumer.stall`. Each message has
 * `attributes` with the names of OpenTelemetry's semantic conventions for messaging, so that a listener needs no table of its
 * own.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { ConsumerBatch, ConsumerRecord } from '../consumer/record.ts';
import type { ProducerRecord } from '../producer/record.ts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SendMessage {
  readonly attributes: Attributes;
  /**
   * What is to be sent. Who listens to `start` may exchange records for others, with headers that carry the trace, for
   * example.
   */
  records: readonly ProducerRecord[];
}

export interface ProcessMessage {
  readonly attributes: Attributes;
  readonly records: readonly ConsumerRecord[];
}

const send = tracingChannel<SendMessage>('headrace.producer.send');
const processing = tracingChannel<ProcessMessage>('headrace.consumer.process');
const requests = tracingChannel<{ readonly attributes: Attributes }>('headrace.client.request');
const receive = channel('headrace.consumer.receive');
const stalls = channel('headrace.consumer.stall');

/** Whether somebody listens to sends. */
export function isSendTraced(): boolean {
  return send.hasSubscribers;
}

/** Sends what the listeners have made of `records`, all of one call. */
export function traceSend<T>(
  records: readonly ProducerRecord[],
  clientId: string,
  sendAll: (records: readonly ProducerRecord[]) => Promise<T>,
): Promise<T> {
  const topics = new Set(records.map(({ topic }) => topic));
  const [first] = records;
  const isOne = records.length === 1;
  const message: SendMessage = {
    attributes: {
      ...operation('send', 'send', clientId),
      ...(topics.size === 1 ? { 'messaging.destination.name': first!.topic } : {}),
      ...(isOne ? keyOf(first!.key, first!.value) : { 'messaging.batch.message_count': records.length }),
      ...(isOne && first!.partition !== undefined
        ? { 'messaging.destination.partition.id': `${first!.partition}` }
        : {}),
    },
    records,
  };
  return send.tracePromise(() => sendAll(message.records), message);
}

/** Calls `handle`, which gets `of`. */
export function traceProcess(
  handle: () => void | Promise<void>,
  {
    of,
    group,
    clientId,
  }: {
    readonly of: ConsumerRecord | ConsumerBatch;
    readonly group: string | undefined;
    readonly clientId: string;
  },
): void | Promise<void> {
  if (!processing.hasSubscribers) return handle();
  const records = 'records' in of ? of.records : [of];
  const message = { attributes: received({ of, group, clientId }, 'process'), records };
  return processing.tracePromise(async () => handle(), message);
}

/** A batch was handed out. */
export function noteReceived(
  of: ConsumerBatch,
  { group, clientId }: { readonly group: string | undefined; readonly clientId: string },
): void {
  if (!receive.hasSubscribers) return;
  receive.publish({ attributes: received({ of, group, clientId }, 'receive'), records: of.records });
}

export function noteStall(stall: object): void {
  if (stalls.hasSubscribers) stalls.publish(stall);
}

/** One request to a broker. */
export function traceRequest<T>(
  ask: () => Promise<T>,
  {
    api,
    host,
    port,
    clientId,
  }: { readonly api: string; readonly host: string; readonly port: number; readonly clientId: string },
): Promise<T> {
  if (!requests.hasSubscribers) return ask();
  const attributes = {
    'messaging.system': 'kafka',
    'messaging.client.id': clientId,
    'rpc.method': api,
    'server.address': host,
    'server.port': port,
  };
  return requests.tracePromise(ask, { attributes });
}

function operation(name: string, type: string, clientId: string): Attributes {
  return {
    'messaging.system': 'kafka',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.client.id': clientId,
  };
}

function received(
  {
    of,
    group,
    clientId,
  }: {
    readonly of: ConsumerRecord | ConsumerBatch;
    readonly group: string | undefined;
    readonly clientId: string;
  },
  name: 'receive' | 'process',
): Attributes {
  return {
    ...operation(name === 'receive' ? 'poll' : name, name, clientId),
    'messaging.destination.name': of.topic,
    'messaging.destination.partition.id': `${of.partition}`,
    ...(group === undefined ? {} : { 'messaging.consumer.group.name': group }),
    ...('records' in of
      ? { 'messaging.batch.message_count': of.records.length }
      : { 'messaging.kafka.offset': of.offset, ...keyOf(of.keyText, of.text) }),
  };
}

/** Keys that are no text are not shown. */
function keyOf(key: unknown, value: unknown): Attributes {
  return {
    ...(typeof key === 'string' ? { 'messaging.kafka.message.key': key } : {}),
    ...(value === null ? { 'messaging.kafka.message.tombstone': true } : {}),
  };
}
