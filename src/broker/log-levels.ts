/**
 * Log levels as DescribeConfigs and IncrementalAlterConfigs show them (KIP-412). They are of the process, not of the
 * cluster, and are gone with it. There is one logger, Kafka's `root`.
 */

/** Kafka's levels, from the most to the least. */
export const KAFKA_LOG_LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;
export type KafkaLogLevel = (typeof KAFKA_LOG_LEVELS)[number];

export const ROOT_LOGGER = 'root';

export interface LogLevels {
  /** Levels by logger. */
  levels(): ReadonlyMap<string, KafkaLogLevel>;
  /** The logger must be one of `levels`. */
  set(logger: string, level: KafkaLogLevel): void;
}

/** `apply` is told each new level; the logger itself belongs to whoever made it. */
export function logLevels(initial: KafkaLogLevel, apply: (level: KafkaLogLevel) => void): LogLevels {
  const levels = new Map<string, KafkaLogLevel>([[ROOT_LOGGER, initial]]);
  return {
    levels: () => levels,
    set(logger, level) {
      levels.set(logger, level);
      apply(level);
    },
  };
}

export function isKafkaLogLevel(text: string): text is KafkaLogLevel {
  return (KAFKA_LOG_LEVELS as readonly string[]).includes(text);
}
