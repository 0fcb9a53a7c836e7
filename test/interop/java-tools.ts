// Runs Apache Kafka's command line tools, each in a JVM of its own, and finds what they should look at on disk.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { JVM_FLAGS } from '../../scripts/peer-java.ts';

const TOOL_MS_MAX = 120_000;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

const MAIN_CLASSES = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
  'verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  configs: 'kafka.admin.ConfigCommand',
  'delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'dump-log': 'org.apache.kafka.tools.DumpLogSegments',
  cluster: 'org.apache.kafka.tools.ClusterTool',
  'broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  features: 'org.apache.kafka.tools.FeatureCommand',
  'metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  groups: 'org.apache.kafka.tools.GroupsCommand',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
} as const;

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

export type Tools = ReturnType<typeof kafkaTools>;

/** `classpath` is what installKafkaTools returned. */
export function kafkaTools(classpath: string): {
  /** runs a tool to its end, whatever its exit code */
  attempt: (tool: keyof typeof MAIN_CLASSES, args: string[], input?: string) => Promise<ToolResult>;
  /** as attempt, and throws with all output when the tool fails; returns stdout */
  tool: (name: keyof typeof MAIN_CLASSES, args: string[], input?: string) => Promise<string>;
} {
  const level = process.env['HEADRACE_INTEROP_DEBUG'] === undefined ? 'error' : 'debug';
  const flags = [
    ...JVM_FLAGS,
    '-Xmx512m',
    `-Dorg.slf4j.simpleLogger.defaultLogLevel=${level}`,
    '-cp',
    classpath,
  ];
  const attempt = (name: keyof typeof MAIN_CLASSES, args: string[], input = ''): Promise<ToolResult> =>
    new Promise((resolve) => {
      const options = { timeout: TOOL_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, killSignal: 'SIGKILL' as const };
      const child = execFile(
        'java',
        [...flags, MAIN_CLASSES[name], ...args],
        options,
        (error, stdout, stderr) => {
          resolve({
            code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
            stdout,
            stderr,
          });
        },
      );
      child.stdin!.on('error', () => {});
      child.stdin!.end(input);
    });
  const tool = async (name: keyof typeof MAIN_CLASSES, args: string[], input = ''): Promise<string> => {
    const { code, stdout, stderr } = await attempt(name, args, input);
    if (code !== 0) {
      throw new Error(
        `kafka-${name} ${args.join(' ')} ended with ${code}:\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`,
      );
    }
    return stdout;
  };
  return { attempt, tool };
}

/** The files with this ending below `folder`, those that hold something only, sorted. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending) && /^\d{20}\./.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * Lets DumpLogSegments read every segment and index of a stopped broker; returns what it found wrong (nothing, when all is
 * well) and how many files and records it saw.
 */
export async function inspectSegments(
  tools: Tools,
  dataDir: string,
): Promise<{ faults: string[]; files: number; records: number }> {
  const logs = filesBelow(dataDir, '.log');
  const isOffsets = (path: string): boolean => path.includes('/__consumer_offsets-');
  const indexes = [...filesBelow(dataDir, '.index'), ...filesBelow(dataDir, '.timeindex')];
  const data = logs.filter((path) => !isOffsets(path));
  const runs: [string[], string[]][] = [
    [data, ['--deep-iteration', '--print-data-log']],
    [logs.filter(isOffsets), ['--deep-iteration', '--offsets-decoder']],
    [indexes, ['--index-sanity-check']],
    [indexes, ['--verify-index-only']],
    [[...filesBelow(dataDir, '.txnindex'), ...filesBelow(dataDir, '.snapshot')], []],
  ];
  const faults: string[] = [];
  let files = 0;
  let records = 0;
  for (const [paths, options] of runs) {
    if (paths.length === 0) continue;
    if (!options.includes('--verify-index-only')) files += paths.length;
    const { code, stdout, stderr } = await tools.attempt('dump-log', [
      ...options,
      '--files',
      paths.join(','),
    ]);
    if (code !== 0) faults.push(`exit ${code} for ${options.join(' ')}: ${stderr.slice(-2000)}`);
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      if (line.startsWith('| offset:')) records += 1;
      const wrong =
        /isvalid: false|isValid: false|non-consecutive|mismatch|corrupt|trailing|Exception|Could not|not sane|invalid/i;
      if (!line.startsWith('| offset:') && wrong.test(line.replaceAll(/\/\S+/g, ''))) faults.push(line);
    }
  }
  return { faults, files, records };
}
