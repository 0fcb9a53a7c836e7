/**
 * The logger, on pino: one JSON object a line for machines, one short line for people at a terminal. What
 * comes from outside (topic names, client ids) may hold line ends and terminal escapes; none of them leaves
 * this file unescaped, so nobody can forge a line or steer a terminal through a field.
 */
import { pino, stdSerializers } from 'pino';
import type { Logger } from '../base/ports.ts';

export { silentLogger } from './silent-logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Takes whole lines, each with its line end. */
export interface LogDestination {
  write(text: string): unknown;
}

export interface LoggerOptions {
  readonly level?: LogLevel;
  /** `json` for machines, `line` for people; by default what the destination's being a terminal says. */
  readonly format?: 'json' | 'line';
  /** By default standard output. Not standard output for programs whose output is data. */
  readonly destination?: LogDestination & { readonly isTTY?: boolean };
}

/**
 * Fields of these names never appear, at the top or one level down: the last net under the rule that secrets
 * stay out.
 */
const SECRET_FIELDS = ['password', 'secret', 'token', 'saltedPassword', 'saslPassword', 'privateKey'];

/**
 * All control and format characters (terminal escapes, marks that reorder text), line and paragraph
 * separators.
 */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const ANY_UNSAFE = new RegExp(UNSAFE.source, 'u');

/** A logger whose level may change while it is in use; its children follow. */
export interface AdjustableLogger extends Logger {
  setLevel(level: LogLevel): void;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

export function createLogger(options: LoggerOptions = {}): AdjustableLogger {
  const threshold = { severity: SEVERITY[options.level ?? 'info'] };
  const setLevel = (level: LogLevel): void => {
    threshold.severity = SEVERITY[level];
  };
  return { ...leveled(createPino(options), threshold), setLevel };
}

/** Pino gives a child its own level; here all of a family share one. */
function leveled(to: Logger, threshold: { readonly severity: number }): Logger {
  return {
    debug: (fields, message) => {
      if (threshold.severity <= SEVERITY.debug) to.debug(fields, message);
    },
    info: (fields, message) => {
      if (threshold.severity <= SEVERITY.info) to.info(fields, message);
    },
    warn: (fields, message) => {
      if (threshold.severity <= SEVERITY.warn) to.warn(fields, message);
    },
    error: (fields, message) => {
      if (threshold.severity <= SEVERITY.error) to.error(fields, message);
    },
    child: (fields) => leveled(to.child(fields), threshold),
  };
}

function createPino(options: LoggerOptions): Logger {
  const destination = options.destination ?? standardOutput();
  const format = options.format ?? (destination.isTTY === true ? 'line' : 'json');
  const write =
    format === 'json'
      ? (line: string) => destination.write(escape(line))
      : (line: string) => destination.write(toHumanLine(line));
  return pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err, cause: stdSerializers.err },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    { write },
  );
}

/**
 * Synchronous, so that the last line before a crash is out; a reader that has gone away does not end the
 * process.
 */
function standardOutput(): LogDestination & { readonly isTTY: boolean } {
  const stream = pino.destination({ fd: 1, sync: true });
  stream.on('error', () => {});
  return { isTTY: process.stdout.isTTY, write: (text) => stream.write(text) };
}

function escape(text: string): string {
  return ANY_UNSAFE.test(text) ? text.replace(UNSAFE, escapeCharacter) : text;
}

/** As JSON writes it: one escape for each UTF-16 unit. */
function escapeCharacter(character: string): string {
  let escaped = '';
  for (let index = 0; index < character.length; index++) {
    escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}

/**
 * `12:30:01.123 warn  partition fell behind topic=orders partition=3`, and an error's stack indented below
 * it.
 */
function toHumanLine(json: string): string {
  const { time, level, msg, error, err, ...fields } = JSON.parse(json) as LogLine;
  let line = `${time.slice(11, 23)} ${level.padEnd(5)} ${oneLine(msg ?? '')}`;
  for (const [name, value] of Object.entries(fields)) line += ` ${oneLine(name)}=${readable(value)}`;
  const failure = (error ?? err) as { message?: string; stack?: string } | undefined;
  if (failure?.stack === undefined) {
    if (failure !== undefined) line += ` error=${readable(failure)}`;
    return `${line}\n`;
  }
  line += ` error=${readable(failure.message)}\n`;
  for (const stackLine of failure.stack.split('\n').slice(1)) line += `    ${oneLine(stackLine.trim())}\n`;
  return line;
}

/** What pino makes of a call of ours. */
interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

function readable(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value;
  return oneLine(JSON.stringify(value) ?? '');
}

function oneLine(text: string): string {
  return escape(text).replaceAll('\n', '\\n');
}
