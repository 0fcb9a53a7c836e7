/**
 * The rules values of configurations obey beyond their type, with Kafka's wording when one is broken: ranges,
 * choices, lists without duplicates and the few special forms. A rule is a plain object so that tests can
 * read it back.
 */
import type { ConfigValue } from './definition.ts';

export interface Check {
  /** The rule as Kafka prints it, such as `[1,...]`. */
  readonly text: string;
  /** What is wrong with `value`, or undefined. `shown` is the value as messages show it. */
  readonly problem: (name: string, value: ConfigValue, shown: string) => string | undefined;
  /** Repeated values of a list are dropped before the rule is asked. */
  readonly distinct?: boolean;
}

/**
 * Kafka's message about a value: `Invalid value -2 for configuration retention.bytes: Value must be at least
 * -1`.
 */
export function invalidValue(name: string, shown: string, reason: string): string {
  return `Invalid value ${shown} for configuration ${name}: ${reason}`;
}

/** A number of at least `min`. */
export function atLeast(min: number): Check {
  return range(min, undefined);
}

/** A number from `min` to `max`, both allowed. */
export function between(min: number, max: number): Check {
  return range(min, max);
}

function range(min: number, max: number | undefined): Check {
  return {
    text: max === undefined ? `[${min},...]` : `[${min},...,${max}]`,
    problem: (name, value, shown) => {
      const number = value as number;
      if (number < min) return invalidValue(name, shown, `Value must be at least ${min}`);
      if (max !== undefined && number > max) {
        return invalidValue(name, shown, `Value must be no more than ${max}`);
      }
      return undefined;
    },
  };
}

/** One of `choices`, letter for letter. */
export function oneOf(...choices: readonly string[]): Check {
  return {
    text: `[${choices.join(', ')}]`,
    problem: (name, value, shown) =>
      choices.includes(value as string)
        ? undefined
        : invalidValue(name, shown, `String must be one of: ${choices.join(', ')}`),
  };
}

/** One of `choices` (given in upper case), in upper or lower case. */
export function oneOfIgnoringCase(...choices: readonly string[]): Check {
  return {
    text: `(case insensitive) [${choices.join(', ')}]`,
    problem: (name, value, shown) =>
      choices.includes((value as string).toUpperCase())
        ? undefined
        : invalidValue(name, shown, `String must be one of (case insensitive): ${choices.join(', ')}`),
  };
}

/**
 * A list without empty values, which may be empty; if `choices` are given, of those only. Repeats are
 * dropped.
 */
export function listOf(...choices: readonly string[]): Check {
  return {
    text: choicesText(choices),
    problem: (name, value) => listProblem(name, value, choices),
    distinct: true,
  };
}

/** As `listOf`, but it must have a value. */
export function nonEmptyListOf(...choices: readonly string[]): Check {
  const valid = choices.length === 0 ? 'any non-empty value' : `[${choices.join(', ')}]`;
  return {
    text: choicesText(choices),
    problem: (name, value) =>
      (value as readonly string[]).length === 0
        ? `Configuration '${name}' must not be empty. Valid values include: ${valid}`
        : listProblem(name, value, choices),
    distinct: true,
  };
}

function choicesText(choices: readonly string[]): string {
  return choices.length === 0 ? '' : `[${choices.join(', ')}]`;
}

function listProblem(name: string, value: ConfigValue, choices: readonly string[]): string | undefined {
  for (const one of value as readonly string[]) {
    if (one === '') return `Configuration '${name}' values must not be empty.`;
    if (choices.length > 0 && !choices.includes(one)) {
      return invalidValue(name, one, `String must be one of: ${choices.join(', ')}`);
    }
  }
  return undefined;
}

/** Any text but none. */
export const nonEmptyString: Check = {
  text: 'non-empty string',
  problem: (name, value, shown) =>
    value === '' ? invalidValue(name, shown, 'String must be non-empty') : undefined,
};

/** Levels of gzip, or -1 for the codec's own choice (KIP-780). */
export const gzipLevel: Check = {
  text: '[1,...,9] or -1',
  problem: (name, value, shown) => {
    const level = value as number;
    if (level === -1 || (level >= 1 && level <= 9)) return undefined;
    return invalidValue(name, shown, 'Value must be between 1 and 9 or equal to -1');
  },
};

/** Replicas under a replication quota (KIP-73): `*`, or pairs of partition and broker. */
export const throttledReplicas: Check = {
  text: '[partitionId]:[brokerId],[partitionId]:[brokerId],...',
  problem: (name, value, shown) => {
    const replicas = value as readonly string[];
    if (replicas.length === 1 && replicas[0] === '*') return undefined;
    if (replicas.every((replica) => /^(\d+:\d+)?$/.test(replica))) return undefined;
    const form = '[partitionId]:[brokerId],[partitionId]:[brokerId],...';
    const reason = `${name} must be the literal '*' or a list of replicas in the following format: ${form}`;
    return invalidValue(name, shown, reason);
  },
};

/** A span of days to seconds in ISO 8601, never negative: what follows `by_duration:`. */
const DURATION = /^P(?=.)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d{0,9})?S)?)?$/i;

/** Where a share group begins (KIP-932, KIP-1106). */
export const shareAutoOffsetReset: Check = {
  text: '[latest, earliest, by_duration:PnDTnHnMn.nS]',
  problem: (name, value, shown) => {
    const strategy = value as string;
    if (strategy === 'latest' || strategy === 'earliest') return undefined;
    if (strategy.startsWith('by_duration:') && DURATION.test(strategy.slice('by_duration:'.length))) {
      return undefined;
    }
    const forms = "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'";
    const reason = `Invalid value \`${shown}\` for configuration ${name}. The value must be either ${forms}.`;
    return invalidValue(name, shown, reason);
  },
};
