/**
 * Typed values of a broker's configurations by name, whatever set them: what `brokerSettings` and its rules
 * read with, and the way to settings of single listeners.
 */
import { BROKER_CONFIGS, brokerDefinition } from './broker-configs.ts';
import { defaultValue, parseConfig } from './parse.ts';
import { resolveTopicConfig } from './resolve.ts';
import type { BrokerConfigSources } from './resolve.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

/** Typed values of a broker's configurations, all of which were checked before. */
export class BrokerReader {
  readonly #sources: BrokerConfigSources;
  constructor(sources: BrokerConfigSources) {
    this.#sources = sources;
  }

  isSet(name: string): boolean {
    const { static: fixed, dynamicBroker, dynamicDefault } = this.#sources;
    return fixed.has(name) || dynamicBroker.has(name) || dynamicDefault.has(name);
  }

  number(name: string): number {
    return this.#value(name) as number;
  }

  boolean(name: string): boolean {
    return this.#value(name) as boolean;
  }

  string(name: string): string {
    return this.#value(name) as string;
  }

  /** Null where nothing is set. */
  text(name: string): string | null {
    return this.#value(name) as string | null;
  }

  list(name: string): readonly string[] {
    return this.#value(name) as readonly string[];
  }

  /** As `list`; null where nothing is set. */
  texts(name: string): readonly string[] | null {
    return this.#value(name) as readonly string[] | null;
  }

  /** What topics without their own value get, with units converted. */
  topicText(name: string): string | null {
    return resolveTopicConfig(name, new Map(), this.#sources).value;
  }

  topicNumber(name: string): number {
    const parsed = parseConfig(TOPIC_CONFIGS.get(name)!, this.topicText(name)!);
    return parsed.ok ? (parsed.value as number) : (defaultValue(TOPIC_CONFIGS.get(name)!) as number);
  }

  #value(name: string): unknown {
    const definition = BROKER_CONFIGS.get(name)!;
    const { dynamicBroker, dynamicDefault, static: fixed } = this.#sources;
    const text = dynamicBroker.get(name) ?? dynamicDefault.get(name) ?? fixed.get(name);
    const parsed = text === undefined ? undefined : parseConfig(definition, text);
    return parsed?.ok === true ? parsed.value : defaultValue(definition);
  }
}

/**
 * The text of one setting for one listener, `listener.name.<listener>.<name>` before `name`; secrets
 * included.
 */
export function listenerConfigText(
  name: string,
  listener: string,
  broker: BrokerConfigSources,
): string | undefined {
  const own = `listener.name.${listener.toLowerCase()}.${name}`;
  for (const texts of [broker.dynamicBroker, broker.dynamicDefault, broker.static]) {
    const text = texts.get(own);
    if (text !== undefined) return text;
  }
  for (const texts of [broker.dynamicBroker, broker.dynamicDefault, broker.static]) {
    const text = texts.get(name);
    if (text !== undefined) return text;
  }
  return brokerDefinition(name)?.default ?? undefined;
}
