/** KafkaJS's logger: levels, namespaces, and a log creator in which applications put their own. */
import type { Clock } from '../base/ports.ts';
import { logLevel } from './constants.ts';
import type { LogEntry, Logger, logCreator } from './types.ts';

const LABELS = { error: 'ERROR', warn: 'WARN', info: 'INFO', debug: 'DEBUG' } as const;

/** Each entry as a line of JSON on the console. */
export const consoleLogCreator: logCreator = () => {
  return ({ namespace, level, label, log }: LogEntry) => {
    const message = namespace === '' ? log.message : `[${namespace}] ${log.message}`;
    const line = JSON.stringify({ level: label, ...log, message });
    if (level === logLevel.ERROR) console.error(line);
    else if (level === logLevel.WARN) console.warn(line);
    else if (level === logLevel.DEBUG) console.log(line);
    else console.info(line);
  };
};

/** The environment has the last word. */
function effective(level: logLevel): logLevel {
  const named = (process.env.KAFKAJS_LOG_LEVEL ?? '').toUpperCase();
  return named in logLevel ? logLevel[named as keyof typeof logLevel] : level;
}

/** The root logger of one `Kafka`. */
export function createLogger(
  clock: Clock,
  options: { readonly level?: logLevel | undefined; readonly creator?: logCreator | undefined },
): Logger {
  let rootLevel = effective(options.level ?? logLevel.INFO);
  const write = (options.creator ?? consoleLogCreator)(rootLevel);
  const named = (namespace: string, own?: logLevel): Logger => {
    const ownLevel = own === undefined ? undefined : effective(own);
    const at =
      (method: keyof typeof LABELS) =>
      (message: string, extra: object = {}): void => {
        const label = LABELS[method];
        const level = logLevel[label];
        if (level > (ownLevel ?? rootLevel)) return;
        const timestamp = new Date(clock.nowMs()).toISOString();
        write({ namespace, level, label, log: { timestamp, logger: 'kafkajs', message, ...extra } });
      };
    return {
      info: at('info'),
      error: at('error'),
      warn: at('warn'),
      debug: at('debug'),
      namespace: named,
      setLogLevel: (level) => {
        rootLevel = level;
      },
    };
  };
  return named('');
}
