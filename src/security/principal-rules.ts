/**
 * `ssl.principal.mapping.rules` (KIP-371): how the name in a certificate becomes a principal's. Rules are tried in their order;
 * the first whose pattern matches the whole name gives its replacement. DEFAULT takes the name as it is.
 *
 *     RULE:^CN=(.*?),OU=Payments.*$/$1@payments/L, DEFAULT
 *
 * Patterns are Java's in Kafka, and JavaScript's here: what both know (groups, classes, lazy quantifiers) is enough for names.
 */

export interface PrincipalRule {
  /** Undefined: DEFAULT. */
  readonly pattern: RegExp | undefined;
  /** With $1 and the like for groups. */
  readonly replacement: string;
  readonly letterCase: 'upper' | 'lower' | 'kept';
}

export type PrincipalRules =
  | { readonly ok: true; readonly rules: readonly PrincipalRule[] }
  | { readonly ok: false; readonly message: string };

/** A rule with an optional blank and comma behind it; slashes within a pattern or a replacement are escaped. */
const RULE = /^\s*(?:(DEFAULT)|RULE:((?:[^\\/]|\\.)*)\/((?:[^\\/]|\\.)*)\/([LU]?))\s*(?:,|$)/;
const RULES_LENGTH_MAX = 4_096;
/** A name is not looked through further: patterns with many ways to match take time that grows with it. */
const NAME_LENGTH_MAX = 1_024;

export function parsePrincipalRules(text: string): PrincipalRules {
  if (text.length > RULES_LENGTH_MAX)
    return { ok: false, message: `longer than ${RULES_LENGTH_MAX} characters` };
  const rules: PrincipalRule[] = [];
  for (let rest = text.trim() === '' ? 'DEFAULT' : text; rest.trim() !== '';) {
    const match = RULE.exec(rest);
    if (match === null) {
      return {
        ok: false,
        message: `${rest.trim()} does not begin with DEFAULT or RULE:pattern/replacement/[LU]`,
      };
    }
    const [whole, isDefault, pattern, replacement, letterCase] = match;
    rest = rest.slice(whole.length);
    if (isDefault !== undefined) {
      rules.push({ pattern: undefined, replacement: '', letterCase: 'kept' });
      continue;
    }
    try {
      rules.push({
        pattern: new RegExp(`^(?:${pattern})$`),
        replacement: replacement!.replace(/\\(.)/g, '$1'),
        letterCase: letterCase === 'U' ? 'upper' : letterCase === 'L' ? 'lower' : 'kept',
      });
    } catch {
      return { ok: false, message: `the pattern ${pattern} cannot be read` };
    }
  }
  return { ok: true, rules };
}

/** Undefined: no rule is about this name, so its holder may not come in. */
export function principalName(rules: readonly PrincipalRule[], name: string): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  for (const { pattern, replacement, letterCase } of rules) {
    if (pattern === undefined) return name;
    const match = pattern.exec(name);
    if (match === null) continue;
    const mapped = replacement.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '');
    if (letterCase === 'upper') return mapped.toUpperCase();
    return letterCase === 'lower' ? mapped.toLowerCase() : mapped;
  }
  return undefined;
}
