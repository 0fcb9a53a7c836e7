/**
 * What a configuration is: its name, type, default, rule and documentation, in Kafka's terms (ConfigDef), and
 * the short constructors the catalogues are written with. Names, types, defaults and rules are those of Kafka
 * 4.4.0, compared with Kafka's own classes by test/conformance/configs.test.ts; the documentation is
 * Headrace's.
 */
import type { Check } from './checks.ts';

export type ConfigType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'SHORT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD';

/** The type numbers of DescribeConfigs responses (KIP-569). */
export const CONFIG_TYPE_ID: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
};
/** The type number of a configuration that is stored but not known. */
export const CONFIG_TYPE_UNKNOWN = 0;

export type Importance = 'HIGH' | 'MEDIUM' | 'LOW';

/**
 * Whether a broker configuration can be changed while the broker runs (KIP-226): for one broker only, for one
 * broker or all (`cluster-wide`), or not at all.
 */
export type UpdateMode = 'per-broker' | 'cluster-wide' | 'read-only';

/** A parsed value. A LONG beyond 2^53 - 1 is cut to that: such values all mean "no limit". */
export type ConfigValue = boolean | number | string | readonly string[] | null;

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** In Kafka's textual form (lists joined with commas); null: no value. */
  readonly default: string | null;
  readonly importance: Importance;
  readonly documentation: string;
  /** Says what is wrong with a parsed value; undefined: every value of the type is right. */
  readonly check: Check | undefined;
  /** Known so that files and clients made for Kafka work; changes nothing in Headrace. */
  readonly inert: boolean;
  /** Not listed by DescribeConfigs unless it is set. */
  readonly internal: boolean;
  /** For broker configurations; topic, group and client-metrics configurations can always be changed. */
  readonly dynamic: UpdateMode;
}

export interface Traits {
  readonly check?: Check;
  readonly importance?: Importance;
  readonly inert?: boolean;
  readonly internal?: boolean;
  readonly dynamic?: UpdateMode;
}

/** What the documentation of an inert configuration ends with. */
const INERT = 'Accepted for compatibility; has no effect in Headrace.';

/**
 * Makes a definition. MEDIUM importance, `read-only` and every value of the type, unless `traits` says
 * otherwise.
 */
export function define(
  type: ConfigType,
  name: string,
  defaultText: string | null,
  documentation: string,
  traits: Traits = {},
): ConfigDefinition {
  return {
    name,
    type,
    default: defaultText,
    importance: traits.importance ?? 'MEDIUM',
    documentation: traits.inert === true ? `${documentation} ${INERT}` : documentation,
    check: traits.check,
    inert: traits.inert ?? false,
    internal: traits.internal ?? false,
    dynamic: traits.dynamic ?? 'read-only',
  };
}

/** Secrets: their values are null in every description and must never be logged. */
export function isSensitive(definition: ConfigDefinition): boolean {
  return definition.type === 'PASSWORD';
}

/** A catalogue: definitions by name, in the order they are described. */
export type Catalogue = ReadonlyMap<string, ConfigDefinition>;

/** Puts definitions together, sorted by name; a name may occur only once. */
export function catalogue(...groups: readonly (readonly ConfigDefinition[])[]): Catalogue {
  const sorted = groups.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
  const result = new Map(sorted.map((definition) => [definition.name, definition]));
  if (result.size !== sorted.length) throw new Error('a configuration is defined twice');
  return result;
}
