/**
 * Applies AlterConfigs (full replacement) and IncrementalAlterConfigs (KIP-339) requests to the stored
 * configurations of one resource. Pure: the answer is the new map, or the error code and message Kafka would
 * give; nothing is half applied.
 */
import { brokerDefinition } from './broker-configs.ts';
import { CLIENT_METRICS_CONFIGS } from './client-metrics-configs.ts';
import type { ConfigDefinition } from './definition.ts';
import { GROUP_CONFIGS } from './group-configs.ts';
import type { ConfigTexts } from './resolve.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';
import { invalidConfig, invalidRequest, validateConfigs } from './validate.ts';
import type { ConfigError, ConfigTarget } from './validate.ts';

export type AlterOp = 'SET' | 'DELETE' | 'APPEND' | 'SUBTRACT';

/**
 * The operation behind an IncrementalAlterConfigs number; undefined: there is none, answer INVALID_REQUEST.
 */
export function alterOp(id: number): AlterOp | undefined {
  return (['SET', 'DELETE', 'APPEND', 'SUBTRACT'] as const)[id];
}

export interface IncrementalChange {
  readonly name: string;
  readonly op: AlterOp;
  /** Ignored by DELETE; null is refused elsewhere. */
  readonly value: string | null;
}

export interface ReplacementEntry {
  readonly name: string;
  readonly value: string | null;
}

export type Altered =
  | { readonly ok: true; readonly configs: Map<string, string> }
  | ({ readonly ok: false } & ConfigError);

/**
 * One resource of an IncrementalAlterConfigs request. Errors: INVALID_REQUEST for repeated names, null values
 * and wrong broker configurations; INVALID_CONFIG for everything else.
 */
export function applyIncremental(
  current: ConfigTexts,
  changes: readonly IncrementalChange[],
  target: ConfigTarget,
): Altered {
  const values = changes.filter((change) => change.op !== 'DELETE');
  const error = requestError(changes, values);
  if (error !== undefined) return { ok: false, ...error };
  const configs = new Map(current);
  for (const change of changes) {
    if (change.op === 'DELETE') {
      configs.delete(change.name);
    } else if (change.op === 'SET') {
      configs.set(change.name, change.value!);
    } else {
      const definition = definitionOf(change.name, target);
      if (definition?.type !== 'LIST') return { ok: false, ...notAList(change, target) };
      configs.set(change.name, changedList(change, configs.get(change.name) ?? definition.default ?? ''));
    }
  }
  return checked(configs, target);
}

/**
 * One resource of an AlterConfigs request: what is not in `entries` goes. Errors as for `applyIncremental`.
 */
export function applyReplacement(entries: readonly ReplacementEntry[], target: ConfigTarget): Altered {
  const error = requestError(entries, entries);
  if (error !== undefined) return { ok: false, ...error };
  return checked(new Map(entries.map((entry) => [entry.name, entry.value!])), target);
}

function requestError(
  named: readonly { readonly name: string }[],
  valued: readonly ReplacementEntry[],
): ConfigError | undefined {
  if (new Set(named.map((one) => one.name)).size !== named.length) {
    return invalidRequest('Error due to duplicate config keys');
  }
  const missing = valued.filter((one) => one.value === null).map((one) => one.name);
  return missing.length === 0
    ? undefined
    : invalidRequest(`Null value not supported for : ${missing.join(', ')}`);
}

function checked(configs: Map<string, string>, target: ConfigTarget): Altered {
  const error = validateConfigs(configs, target);
  return error === undefined ? { ok: true, configs } : { ok: false, ...error };
}

/**
 * The list after APPEND (values it has already are not added again) or SUBTRACT (which may leave it empty).
 */
function changedList(change: IncrementalChange, currentText: string): string {
  const list = currentText.split(',').filter((value) => value !== '');
  const values = splitAsJava(change.value!);
  if (change.op === 'APPEND') {
    for (const value of values) if (!list.includes(value)) list.push(value);
    return list.join(',');
  }
  return list.filter((value) => !values.includes(value)).join(',');
}

/**
 * Java's split drops empty values at the end, but keeps the one of an empty text: appending '' is an error to
 * be told.
 */
function splitAsJava(text: string): string[] {
  const values = text.split(',');
  while (values.length > 1 && values.at(-1) === '') values.pop();
  return values;
}

function notAList(change: IncrementalChange, target: ConfigTarget): ConfigError {
  const { name, op } = change;
  if (target.kind !== 'broker')
    return invalidConfig(`Can't ${op} to key ${name} because its type is not LIST.`);
  return invalidConfig(`Config value ${op.toLowerCase()} is not allowed for config key: ${name}`);
}

function definitionOf(name: string, target: ConfigTarget): ConfigDefinition | undefined {
  switch (target.kind) {
    case 'topic':
      return TOPIC_CONFIGS.get(name);
    case 'group':
      return GROUP_CONFIGS.get(name);
    case 'broker':
      return brokerDefinition(name);
    case 'client-metrics':
      return CLIENT_METRICS_CONFIGS.get(name);
  }
}
