/** Kafka's own performance tools, as anybody would run them by hand; what they print, read. */
import { installKafkaTools, KAFKA_TOOLS_VERSION } from '../../../scripts/peer-java.ts';
import { run } from '../../../scripts/peer-cache.ts';
import { HOST, type Server } from '../servers.ts';

export const TOOLS_TEXT = `the command line tools of Kafka ${KAFKA_TOOLS_VERSION}`;

/** The tools' heap as in Kafka's own scripts; no other flags. */
const JVM_FLAGS = ['-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
/** The tools' "MB" are these. */
const MIB = 2 ** 20;

const CLASSES = {
  'producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
} as const;

async function tool(server: Server, name: keyof typeof CLASSES, args: readonly string[]): Promise<string> {
  const bootstrap = ['--bootstrap-server', `${HOST}:${server.port}`];
  const classpath = await installKafkaTools();
  return run('java', [...JVM_FLAGS, '-cp', classpath, CLASSES[name], ...bootstrap, ...args]);
}

export interface JavaProduce {
  readonly topic: string;
  readonly records: number;
  /** The first of them, which count as warm-up of the tool. */
  readonly warmUpRecords: number;
  readonly valueBytes: number;
}

/** MB/s of values (1e6 bytes) after the warm-up. */
export async function javaProduce(server: Server, produce: JavaProduce): Promise<number> {
  const { topic, records, warmUpRecords, valueBytes } = produce;
  const which = ['--topic', topic, '--record-size', `${valueBytes}`, '--throughput', '-1'];
  const howMany = ['--num-records', `${records}`, '--warmup-records', `${warmUpRecords}`];
  const properties = ['--command-property', 'acks=all', 'enable.idempotence=false'];
  const text = await tool(server, 'producer-perf-test', [...which, ...howMany, ...properties]);
  const steady = /steady state records sent, [\d.]+ records\/sec \(([\d.]+) MB\/sec\)/.exec(text);
  if (steady === null) throw new Error(`the Java producer printed no rate: ${text}`);
  return (Number(steady[1]) * MIB) / 1e6;
}

/** Reads a topic of so many records; how many it got, and MB/s of values without the time in which its group formed. */
export async function javaConsume(
  server: Server,
  topic: string,
  records: number,
): Promise<{ readonly records: number; readonly megabytesPerSecond: number }> {
  const text = await tool(server, 'consumer-perf-test', ['--topic', topic, '--num-records', `${records}`]);
  const lines = text.trim().split('\n');
  const head = lines.findIndex((line) => line.startsWith('start.time'));
  const names = lines[head]?.split(', ') ?? [];
  const figures = lines[head + 1]?.split(', ') ?? [];
  const figure = (name: string): number => Number(figures[names.indexOf(name)]);
  const megabytesPerSecond = (figure('fetch.MB.sec') * MIB) / 1e6;
  if (!(megabytesPerSecond > 0)) throw new Error(`the Java consumer printed no rate: ${text}`);
  return { records: figure('data.consumed.in.nMsg'), megabytesPerSecond };
}

/** The first values of a topic's only partition, which must be lines of text. */
export async function javaValues(server: Server, topic: string, records: number): Promise<string[]> {
  const which = ['--topic', topic, '--from-beginning', '--timeout-ms', '30000'];
  const text = await tool(server, 'console-consumer', [...which, '--max-messages', `${records}`]);
  return text.split('\n').slice(0, -1);
}
