/** Each of our schemas says, version for version, what Kafka's own definitions say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { covers, type AnyMessage, type AnyType, type Range } from '../../src/protocol/schema.ts';
import { kafkaDefinitions, orSkip, type DefinedField, type Definition } from './kafka-jars.ts';
import { OUR_MESSAGES, versionsOf } from './our-messages.ts';

/** Requests and responses that Kafka keeps definitions of although no version of them is left. */
const GONE = /^(ControlledShutdown|LeaderAndIsr|StopReplica|UpdateMetadata)(Request|Response)$/;

const within = (range: string | undefined, version: number): boolean =>
  range !== undefined && range !== 'none' && covers(range as Range, version);

/** One line for each field of a version, in order: path, type, whether null is legal, tag, default. */
function theirLines(definition: Definition, version: number): string[] {
  const lines: string[] = [];
  const common = new Map(definition.commonStructs?.map((struct) => [struct.name, struct.fields]));
  const isFlexible = within(definition.flexibleVersions, version);
  const walk = (fields: readonly DefinedField[], path: string): void => {
    for (const field of fields) {
      const isTagged = within(field.taggedVersions, version);
      // A tagged field that says nothing else exists where it is tagged.
      if (!within(field.versions ?? field.taggedVersions, version) || (isTagged && !isFlexible)) continue;
      const name = `${path}.${field.name[0].toLowerCase()}${field.name.slice(1)}`;
      const element = field.type.replace('[]', '');
      const isStruct = /^[A-Z]/.test(element);
      const type = isStruct ? field.type.replace(element, 'struct') : field.type;
      const line: Line = {
        name,
        type,
        isNullable: within(field.nullableVersions, version),
        tag: isTagged ? field.tag : undefined,
        zero: theirDefault(field),
        isPlain: field.flexibleVersions === 'none',
      };
      lines.push(print(line));
      if (isStruct) walk(field.fields ?? common.get(element) ?? [], name);
    }
  };
  walk(definition.fields, '');
  return lines;
}

function theirDefault(field: DefinedField): string {
  // A bare null is to Kafka's generator as if nothing were there; "null" is the default null.
  const text = String(field.default ?? '').trim();
  if (text === 'null') return 'null';
  if (field.type.startsWith('[]') || /^[A-Z]/.test(field.type)) return 'zero';
  if (field.type === 'string') return JSON.stringify(text);
  if (field.type === 'bool') return text === '' ? 'false' : text;
  if (/int|float/.test(field.type)) return String(Number(text));
  assert.equal(text, '', `a default of type ${field.type} is not known here`);
  return 'zero';
}

function ourLines(message: AnyMessage, version: number): string[] {
  const lines: string[] = [];
  const isFlexible = covers(message.flexible, version);
  const walk = (type: AnyType, path: string): void => {
    for (const [field, member] of Object.entries(type.fields!)) {
      const isTagged = member.tag !== undefined && within(member.taggedSince, version);
      if (!covers(member.since ?? '0+', version) || (isTagged && !isFlexible)) continue;
      const name = `${path}.${field}`;
      const element = member.kind === 'array' ? member.of! : member;
      const kind = element.kind === 'recordsVector' ? 'records' : element.kind;
      const line: Line = {
        name,
        type: member.kind === 'array' ? `[]${kind}` : kind,
        isNullable: within(member.nullable, version),
        tag: isTagged ? member.tag : undefined,
        zero: ourDefault(member),
        isPlain: member.plain === true,
      };
      lines.push(print(line));
      if (element.kind === 'struct') walk(element, name);
    }
  };
  walk(message, '');
  return lines;
}

function ourDefault({ zero, kind }: AnyType): string {
  if (zero === null) return 'null';
  return typeof zero === 'object' || kind === 'uuid' ? 'zero' : JSON.stringify(zero);
}

interface Line {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  readonly tag: number | undefined;
  readonly zero: string;
  readonly isPlain: boolean;
}
function print({ name, type, isNullable, tag, zero, isPlain }: Line): string {
  const number = /^[\d.e+-]+$/.test(zero) ? String(Number(zero)) : zero;
  const marks = (tag === undefined ? '' : ` tag ${tag}`) + (isPlain ? ' plain' : '');
  return `${name}: ${type}${isNullable ? '?' : ''} = ${number}${marks}`;
}

const kafka = await orSkip(kafkaDefinitions);

test("the schemas are Kafka's, field by field and version by version", (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const ours = new Map(OUR_MESSAGES.map((message) => [message.name, message]));
  const faults: string[] = [];
  let compared = 0;
  for (const definition of kafka.have) {
    if (GONE.test(definition.name)) {
      assert.equal(definition.validVersions, 'none');
      continue;
    }
    const message = ours.get(definition.name);
    ours.delete(definition.name);
    if (message === undefined) {
      faults.push(`${definition.name}: missing`);
      continue;
    }
    const facts = {
      key: definition.apiKey,
      versions: definition.validVersions,
      flexible: definition.flexibleVersions,
    };
    const own = { key: message.key, versions: message.versions, flexible: message.flexible };
    facts.key ??= -1;
    if (JSON.stringify(facts) !== JSON.stringify(own)) {
      faults.push(`${definition.name}: ${JSON.stringify(own)} instead of ${JSON.stringify(facts)}`);
    }
    if ((definition.latestVersionUnstable ?? false) !== (message.latestVersionUnstable ?? false)) {
      faults.push(`${definition.name}: latestVersionUnstable`);
    }
    for (const version of versionsOf(message)) {
      const theirs = theirLines(definition, version);
      const mine = ourLines(message, version);
      compared += theirs.length;
      for (let n = 0; n < Math.max(theirs.length, mine.length); n++) {
        if (theirs[n] !== mine[n])
          faults.push(`${definition.name} v${version}: ${mine[n]} instead of ${theirs[n]}`);
      }
    }
  }
  for (const name of ours.keys()) faults.push(`${name}: Kafka has none`);
  assert.deepEqual(faults, []);
  t.diagnostic(`${kafka.have.length} definitions, ${compared} fields compared`);
});
