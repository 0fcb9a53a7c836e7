/**
 * UUIDs (topic ids, directory ids, member ids) as strings of 16 latin1 characters, one a byte: immutable, comparable
 * with ===, cheap as Map keys. People see them as Kafka prints them: base64url without padding, 22 characters.
 */
import type { Random } from './ports.ts';

/** Kafka's "no id". */
export const ZERO_UUID = '\0'.repeat(16);
/** Kafka's ONE_UUID, reserved (the metadata topic's id). */
export const ONE_UUID = `${'\0'.repeat(15)}\x01`;

/** A random version 4 UUID that does not begin with '-' when printed, as Kafka's do not. */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = random.bytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const id = bytes.toString('latin1');
    if (!printUuid(id).startsWith('-')) return id;
  }
}

/** 22 characters of base64url. */
export function printUuid(uuid: string): string {
  return Buffer.from(uuid, 'latin1').toString('base64url');
}

/** Undefined unless the text is 22 characters that stand for 16 bytes. */
export function parseUuid(text: string): string | undefined {
  if (!/^[A-Za-z0-9_-]{22}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === 16 ? bytes.toString('latin1') : undefined;
}

/** The dashed hexadecimal form (RFC 9562), as client and member ids use it. */
export function hexUuid(uuid: string): string {
  const hex = Buffer.from(uuid, 'latin1').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
