/**
 * Gathers a broker's static configuration from where people write it: a .properties file as Kafka has it,
 * environment variables, `--set name=value` flags. Later ones win: file, environment, flags. Reading the file
 * itself is the caller's. Warnings and errors about names and values are word for word those of
 * `brokerSettings`.
 */
import { brokerDefinition } from './broker-configs.ts';
import { unknownName, valueProblem } from './broker-rules.ts';

export interface LoadedSettings {
  readonly settings: Map<string, string>;
  /** Unknown names, with a guess. */
  readonly warnings: string[];
  /** Wrong values and malformed lines, each with the setting's name (or the line's number) and the fix. */
  readonly errors: string[];
}

/** A file longer than this is not a settings file. In characters. */
export const SETTINGS_TEXT_LENGTH_MAX = 4_194_304;

/**
 * Reads a .properties file (java.util.Properties: comments, continued lines, escapes). A name set twice: the
 * last counts.
 */
export function loadSettingsText(text: string): LoadedSettings {
  if (text.length > SETTINGS_TEXT_LENGTH_MAX) {
    const error = `the settings have ${text.length} characters; at most ${SETTINGS_TEXT_LENGTH_MAX} are read`;
    return { settings: new Map(), warnings: [], errors: [error] };
  }
  return checked(parseProperties(text));
}

const ENVIRONMENT_PREFIX = 'HEADRACE_';

/** Variables of the program itself, which are not configurations. */
const OWN_VARIABLES: ReadonlySet<string> = new Set(['HEADRACE_CACHE', 'HEADRACE_CONFIG', 'HEADRACE_HOME']);

/** Reads `HEADRACE_LOG_RETENTION_MS=1000` as `log.retention.ms`; other variables are none of ours. */
export function loadSettingsEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): LoadedSettings {
  const settings = new Map<string, string>();
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || !variable.startsWith(ENVIRONMENT_PREFIX) || OWN_VARIABLES.has(variable))
      continue;
    settings.set(variable.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll('_', '.'), value);
  }
  return checked({ settings, errors: [] });
}

/** Reads the `name=value` of `--set` flags. */
export function loadSettingsFlags(flags: readonly string[]): LoadedSettings {
  const settings = new Map<string, string>();
  const errors: string[] = [];
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    if (equals <= 0) errors.push(`--set ${flag}: write it as --set name=value`);
    else settings.set(flag.slice(0, equals).trim(), flag.slice(equals + 1).trim());
  }
  return checked({ settings, errors });
}

/** Puts settings together; those of later arguments win. */
export function mergeSettings(...loaded: readonly LoadedSettings[]): LoadedSettings {
  return {
    settings: new Map(loaded.flatMap((one) => [...one.settings])),
    warnings: loaded.flatMap((one) => one.warnings),
    errors: loaded.flatMap((one) => one.errors),
  };
}

function checked(found: { settings: Map<string, string>; errors: string[] }): LoadedSettings {
  const warnings: string[] = [];
  const errors = [...found.errors];
  for (const [name, value] of found.settings) {
    const definition = brokerDefinition(name);
    if (definition === undefined) {
      warnings.push(unknownName(name));
      continue;
    }
    const problem = valueProblem(definition, name, value);
    if (problem !== undefined) errors.push(problem);
  }
  return { settings: found.settings, warnings, errors };
}

function parseProperties(text: string): { settings: Map<string, string>; errors: string[] } {
  const settings = new Map<string, string>();
  const errors: string[] = [];
  let lineNumber = 0;
  let pending = '';
  let pendingFrom = 0;
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    lineNumber += 1;
    const line = raw.replace(/^[ \t\f]+/, '');
    if (pending === '' && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue;
    if (pending === '') pendingFrom = lineNumber;
    if (endsInOpenBackslash(line)) {
      // A blank keeps an otherwise empty continued line apart from "nothing pending".
      pending = pending === '' && line === '\\' ? ' ' : pending + line.slice(0, -1);
      continue;
    }
    addProperty(pending + line, pendingFrom, settings, errors);
    pending = '';
  }
  if (pending.trim() !== '') addProperty(pending, pendingFrom, settings, errors);
  return { settings, errors };
}

/** An odd number of backslashes at the end continues the line; pairs are backslashes meant as such. */
function endsInOpenBackslash(line: string): boolean {
  return (/\\*$/.exec(line)![0].length & 1) === 1;
}

function addProperty(
  line: string,
  lineNumber: number,
  settings: Map<string, string>,
  errors: string[],
): void {
  const text = line.replace(/^[ \t\f]+/, '');
  const end = keyEnd(text);
  const name = unescape(text.slice(0, end));
  const value = unescape(text.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, ''));
  if (name === undefined || value === undefined) {
    errors.push(
      `line ${lineNumber}: \\u must be followed by four hexadecimal digits; write \\\\ for a backslash`,
    );
  } else if (name === '') {
    errors.push(`line ${lineNumber}: a name is missing before the equals sign`);
  } else {
    settings.set(name, value);
  }
}

/** Where the name ends: at the first equals sign, colon or blank that is not escaped. */
function keyEnd(text: string): number {
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\') index += 1;
    else if ('=: \t\f'.includes(character)) return index;
  }
  return text.length;
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

/** Undefined when a \u escape is malformed. */
function unescape(text: string): string | undefined {
  if (/\\u(?![0-9A-Fa-f]{4})/.test(text.replaceAll('\\\\', ''))) return undefined;
  return text.replace(
    /\\(?:u([0-9A-Fa-f]{4})|([\s\S]))/g,
    (_, code: string | undefined, one: string | undefined) =>
      code === undefined ? (ESCAPES[one!] ?? one!) : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
