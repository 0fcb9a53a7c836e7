/** The step that Kafka wants before the first start of a broker, and how long it takes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import type { Context } from './question.ts';
import { benchFolder, HOST } from './servers.ts';

/** Milliseconds of Kafka's `StorageTool format`, as `kafka-storage.sh` runs it. */
export async function formatStep(context: Context): Promise<number[]> {
  if (!context.kinds.includes('kafka')) return [];
  const classpath = await installKafkaTools();
  const samples: number[] = [];
  for (let round = 0; round < context.rounds; round++) {
    const folder = mkdtempSync(path.join(benchFolder(), 'headrace-bench-format-'));
    try {
      const file = path.join(folder, 'server.properties');
      const lines = [
        'process.roles=broker,controller',
        'node.id=1',
        `controller.quorum.voters=1@${HOST}:1`,
        'controller.listener.names=CONTROLLER',
        `listeners=CONTROLLER://${HOST}:1,PLAINTEXT://${HOST}:2`,
        `log.dirs=${path.join(folder, 'data')}`,
      ];
      writeFileSync(file, lines.join('\n'));
      const tool = ['-Xmx256M', '-cp', classpath, 'kafka.tools.StorageTool', 'format'];
      const startedAt = performance.now();
      const { status, stderr } = spawnSync('java', [...tool, '-t', 'aGVhZHJhY2UtZm9ybWF0aW', '-c', file]);
      if (status !== 0) throw new Error(`the format step failed: ${stderr.toString()}`);
      samples.push(performance.now() - startedAt);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return samples;
}
