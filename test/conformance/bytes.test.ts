/**
 * Random messages of every type and version, byte for byte as Kafka's own classes have them: ours survive being decoded
 * and encoded by Kafka, and those that Kafka makes survive us. HEADRACE_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { codec } from '../../src/protocol/compile.ts';
import type { AnyMessage } from '../../src/protocol/schema.ts';
import { Reader, Writer } from '../../src/protocol/wire.ts';
import { randomMessage, seeded } from './generate.ts';
import { startJava } from './java-program.ts';
import { kafkaDefinitions, orSkip, type Definition } from './kafka-jars.ts';
import { OUR_MESSAGES, versionsOf } from './our-messages.ts';

const MESSAGES_PER_VERSION = 200;
const FAULTS_MAX = 20;

const PACKAGES: Readonly<Record<string, string>> = {
  'kafka-clients': 'org.apache.kafka.common.message',
  'kafka-group-coordinator': 'org.apache.kafka.coordinator.group.generated',
  'kafka-transaction-coordinator': 'org.apache.kafka.coordinator.transaction.generated',
  'kafka-share-coordinator': 'org.apache.kafka.coordinator.share.generated',
  'kafka-storage': 'org.apache.kafka.server.log.remote.metadata.storage.generated',
  'kafka-raft': 'org.apache.kafka.raft.generated',
};

function classOf({ name, type, module }: Definition): string {
  const isRpc = type === 'request' || type === 'response' || type === 'header';
  return `${PACKAGES[module]}.${name}${isRpc ? 'Data' : ''}`;
}

function encode(message: AnyMessage, version: number, value: unknown): Buffer {
  const writer = new Writer();
  codec(message, version).write(writer, value);
  return writer.toBuffer();
}

/** What is left of bytes after we have decoded and encoded them, or why we could not. */
function again(message: AnyMessage, version: number, bytes: Buffer): Buffer | string {
  try {
    const reader = new Reader(bytes);
    const value = codec(message, version).read(reader);
    if (reader.remaining() > 0) return `${reader.remaining()} bytes left over`;
    return encode(message, version, value);
  } catch (error) {
    return String(error);
  }
}

function question(className: string, version: number, seed: number, messages: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(2 + className.length + 14);
  head.writeInt16BE(className.length, 0);
  head.write(className, 2, 'latin1');
  head.writeInt16BE(version, 2 + className.length);
  head.writeBigInt64BE(BigInt(seed), 4 + className.length);
  head.writeInt32BE(messages.length, 12 + className.length);
  const parts: Buffer[] = [head];
  for (const bytes of messages) {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes.length, 0);
    parts.push(size, bytes);
  }
  return Buffer.concat(parts);
}

function answers(frame: Buffer): (Buffer | string)[] {
  const found: (Buffer | string)[] = [];
  for (let at = 0; at < frame.length;) {
    const size = frame.readInt32BE(at);
    const bytes = frame.subarray(at + 4, at + 4 + Math.abs(size));
    found.push(size < 0 ? bytes.toString('utf8') : bytes);
    at += 4 + Math.abs(size);
  }
  return found;
}

const print = (bytes: Buffer | string): string => (typeof bytes === 'string' ? bytes : bytes.toString('hex'));
const kafka = await orSkip(async () => ({
  definitions: await kafkaDefinitions(),
  java: await startJava('Bytes'),
}));

test('random messages of every type and version are the same bytes to Kafka and to us', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const { definitions, java } = kafka.have;
  const seed = Number(process.env['HEADRACE_SEED'] ?? Date.now() % 2 ** 31);
  t.diagnostic(`HEADRACE_SEED=${seed}`);
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const random = seeded(seed);
  const faults: string[] = [];
  let versions = 0;
  const compare = async (message: AnyMessage, version: number): Promise<void> => {
    const ours = Array.from({ length: MESSAGES_PER_VERSION }, () =>
      encode(message, version, randomMessage(message, version, random)),
    );
    const className = classOf(byName.get(message.name)!);
    const replies = answers(await java.ask(question(className, version, seed + versions, ours)));
    assert.equal(replies.length, 2 * ours.length);
    ours.forEach((bytes, n) => {
      const own = again(message, version, bytes);
      if (print(own) !== print(bytes))
        faults.push(`${message.name} v${version}: ${print(bytes)} is to us ${print(own)}`);
      if (print(replies[n]) !== print(bytes)) {
        faults.push(`${message.name} v${version}: ${print(bytes)} is to Kafka ${print(replies[n])}`);
      }
    });
    for (const bytes of replies.slice(ours.length)) {
      const own = typeof bytes === 'string' ? 'nothing' : again(message, version, bytes);
      if (print(own) !== print(bytes))
        faults.push(`${message.name} v${version}: Kafka's ${print(bytes)} is to us ${print(own)}`);
    }
  };
  try {
    for (const message of OUR_MESSAGES) {
      // Two questions under way: Java works on one while we make the next.
      let before = Promise.resolve();
      for (const version of versionsOf(message)) {
        const now = compare(message, version);
        versions++;
        await before;
        before = now;
      }
      await before;
      if (faults.length > FAULTS_MAX) break;
    }
  } finally {
    await java.close();
  }
  assert.deepEqual(faults.slice(0, FAULTS_MAX), []);
  t.diagnostic(
    `${versions} versions of ${OUR_MESSAGES.length} messages, ${2 * MESSAGES_PER_VERSION * versions} messages`,
  );
});
