/**
 * The users of PLAIN, as Kafka's JAAS settings of a listener's mechanism name them:
 *
 *     org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret" user_bob="other";
 *
 * `username` and `password`, with which Kafka's brokers log in at each other, are read and not used: brokers of Headrace know
 * each other by the cluster's secret.
 */

export const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule';
const FLAGS = new Set(['required', 'requisite', 'sufficient', 'optional']);
const USER = 'user_';
const LENGTH_MAX = 1024 * 1024;

export type LoginSettings =
  | { readonly ok: true; readonly passwords: ReadonlyMap<string, string> }
  /** The message holds nothing of what was set. */
  | { readonly ok: false; readonly message: string };

const WORD = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"=;]+)|([=;]))/y;

interface Token {
  readonly text: string;
  readonly isSign: boolean;
}

/** The users who may log in. */
export function parsePlainLogin(text: string): LoginSettings {
  const parsed = parseLogin(text, PLAIN_MODULE);
  if (!parsed.ok) return parsed;
  const passwords = new Map<string, string>();
  for (const [name, value] of parsed.options) {
    if (!name.startsWith(USER)) continue;
    const user = name.slice(USER.length);
    if (user === '' || value === '')
      return { ok: false, message: 'a user without a name, or without a password' };
    passwords.set(user, value);
  }
  return { ok: true, passwords };
}

/** The user as whom a client logs in, of either module. */
export function parseClientLogin(
  text: string,
):
  | { readonly ok: true; readonly username: string; readonly password: string }
  | { readonly ok: false; readonly message: string } {
  const ofPlain = parseLogin(text, PLAIN_MODULE);
  const parsed = ofPlain.ok ? ofPlain : parseLogin(text, SCRAM_MODULE);
  if (!parsed.ok) return parsed;
  const [username, password] = [parsed.options.get('username'), parsed.options.get('password')];
  if (username === undefined || password === undefined)
    return { ok: false, message: 'username or password is missing' };
  return { ok: true, username, password };
}

type Login =
  | { readonly ok: true; readonly options: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly message: string };

function parseLogin(text: string, moduleName: string): Login {
  const refuse = (message: string): Login => ({ ok: false, message });
  if (text.length > LENGTH_MAX) return refuse(`it is longer than ${LENGTH_MAX} characters`);
  const tokens = tokensOf(text);
  if (tokens === undefined) return refuse('a quotation mark is missing');
  const [module, flag] = tokens;
  if (module?.text !== moduleName) return refuse(`it must begin with ${moduleName}`);
  if (flag === undefined || !FLAGS.has(flag.text.toLowerCase()))
    return refuse('the second word must be required');
  const options = new Map<string, string>();
  let position = 2;
  while (!isSign(tokens[position], ';')) {
    const [name, equals, value] = tokens.slice(position, position + 3);
    if (name === undefined) return refuse('it must end with a semicolon');
    if (name.isSign || !isSign(equals, '=') || value === undefined || value.isSign) {
      return refuse(`option ${(position - 2) / 3 + 1} is not of the form name="value"`);
    }
    if (options.has(name.text)) return refuse('an option, or a user, occurs twice');
    options.set(name.text, value.text);
    position += 3;
  }
  if (position !== tokens.length - 1) return refuse('there is something after the semicolon');
  return { ok: true, options };
}

function isSign(token: Token | undefined, sign: string): boolean {
  return token?.isSign === true && token.text === sign;
}

/** Undefined: a quotation mark is left open. */
function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const word = new RegExp(WORD);
  const end = text.trimEnd().length;
  while (word.lastIndex < end) {
    const match = word.exec(text);
    if (match === null) return undefined;
    const [, quoted, bare, sign] = match;
    if (sign !== undefined) tokens.push({ text: sign, isSign: true });
    else tokens.push({ text: bare ?? quoted!.replace(/\\(.)/g, '$1'), isSign: false });
  }
  return tokens;
}
