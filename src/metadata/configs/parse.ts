/**
 * Text to value by Kafka's rules (ConfigDef.parseType): blanks around a value do not count, lists are split
 * at commas, numbers must fit their type. Anything that is wrong comes back as Kafka's message, never as an
 * exception.
 */
import { invalidValue } from './checks.ts';
import type { ConfigDefinition, ConfigValue } from './definition.ts';

export type Parsed =
  | { readonly ok: true; readonly value: ConfigValue; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** Values longer than this many characters are refused before they are looked at, as Kafka does. */
export const CONFIG_VALUE_LENGTH_MAX = 32_767;

/**
 * Parses and checks one value; `text` in the result is the value's canonical form, which DescribeConfigs
 * shows.
 */
export function parseConfig(definition: ConfigDefinition, text: string): Parsed {
  const parsed = parseType(definition, text);
  if (!parsed.ok || definition.check === undefined) return parsed;
  const shown = Array.isArray(parsed.value) ? `[${parsed.value.join(', ')}]` : parsed.text;
  const message = definition.check.problem(definition.name, parsed.value, shown);
  return message === undefined ? parsed : { ok: false, message };
}

/** The definition's default as a value. */
export function defaultValue(definition: ConfigDefinition): ConfigValue {
  if (definition.default === null) return null;
  const parsed = parseType(definition, definition.default);
  if (!parsed.ok) throw new Error(`the default of ${definition.name} is not of its type`);
  return parsed.value;
}

function parseType(definition: ConfigDefinition, text: string): Parsed {
  const trimmed = trim(text);
  switch (definition.type) {
    case 'BOOLEAN':
      return parseBoolean(definition, text);
    case 'STRING':
    case 'CLASS':
    case 'PASSWORD':
      return { ok: true, value: trimmed, text: trimmed };
    case 'INT':
      return parseInteger(definition, text, 32);
    case 'SHORT':
      return parseInteger(definition, text, 16);
    case 'LONG':
      return parseInteger(definition, text, 64);
    case 'DOUBLE':
      return parseDouble(definition, text);
    case 'LIST': {
      const all = splitList(trimmed);
      const list = definition.check?.distinct === true ? [...new Set(all)] : all;
      return { ok: true, value: list, text: list.join(',') };
    }
  }
}

/** A list's values: split at commas with the blanks around them; blank text is the empty list. */
export function splitList(text: string): string[] {
  const trimmed = trim(text);
  if (trimmed === '') return [];
  return trimmed.split(',').map((value) => cut(value, isListBlank));
}

function parseBoolean(definition: ConfigDefinition, text: string): Parsed {
  const lower = trim(text).toLowerCase();
  if (lower === 'true') return { ok: true, value: true, text: 'true' };
  if (lower === 'false') return { ok: true, value: false, text: 'false' };
  return refuse(definition, text, 'Expected value to be either true or false');
}

function parseInteger(definition: ConfigDefinition, text: string, bits: number): Parsed {
  const trimmed = trim(text);
  const wrong = `Not a number of type ${definition.type}`;
  if (trimmed.length > CONFIG_VALUE_LENGTH_MAX || !/^[+-]?\d+$/.test(trimmed)) {
    return refuse(definition, text, wrong);
  }
  const whole = BigInt(trimmed.startsWith('+') ? trimmed.slice(1) : trimmed);
  if (BigInt.asIntN(bits, whole) !== whole) return refuse(definition, text, wrong);
  return { ok: true, value: asSafeNumber(whole), text: whole.toString() };
}

/** Cuts to the integers a number holds exactly: beyond them all values of a configuration mean "no limit". */
function asSafeNumber(whole: bigint): number {
  const number = Number(whole);
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, number));
}

function parseDouble(definition: ConfigDefinition, text: string): Parsed {
  const form = /^([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Infinity))[fFdD]?$/;
  const match = form.exec(trim(text));
  if (match === null) return refuse(definition, text, 'Not a number of type DOUBLE');
  const value = Number(match[1]);
  return { ok: true, value, text: doubleText(value) };
}

/** A double as Java prints it: 1 is `1.0`, a hundred millionth is `1.0E-8`. */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e7)) {
    return Number.isInteger(value) ? `${value}.0` : String(value);
  }
  if (!Number.isFinite(value)) return String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
}

function refuse(definition: ConfigDefinition, text: string, reason: string): Parsed {
  const shown = definition.type === 'PASSWORD' ? '[hidden]' : text;
  return { ok: false, message: invalidValue(definition.name, shown, reason) };
}

/** Java's trim: takes off every character up to the blank, and only those. */
function trim(text: string): string {
  return cut(text, (code) => code <= 0x20);
}

/** What Java's regular expressions call blank: tab to carriage return, and the blank. */
function isListBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

/** Takes blanks off both ends, in linear time, which a regular expression would not. */
function cut(text: string, isBlank: (code: number) => boolean): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
