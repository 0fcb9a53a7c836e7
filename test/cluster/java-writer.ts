// Kafka's own VerifiableProducer, acks=all: what it says is acknowledged must be there afterwards, where it says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { JVM_FLAGS } from '../../scripts/peer-java.ts';
import { Client } from '../../src/client/client.ts';

interface Line {
  readonly name: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly value?: string;
  readonly message?: string;
}

export interface JavaWriter {
  acknowledged(): number;
  readonly failures: readonly string[];
  /** Ends it, and reads everything back. */
  finish(bootstrap: string): Promise<void>;
  /** Ends it, if it has not ended. */
  discard(): void;
}

export function startJavaWriter(options: {
  readonly classpath: string;
  readonly bootstrap: string;
  readonly topic: string;
  readonly recordsPerSecond: number;
}): JavaWriter {
  const { classpath, bootstrap, topic, recordsPerSecond } = options;
  const folder = mkdtempSync(join(tmpdir(), 'headrace-java-writer-'));
  const config = join(folder, 'producer.properties');
  // Left alone it gives up at the first refusal, which a leader that moves always is.
  writeFileSync(config, 'retries=2147483647\nenable.idempotence=true\n');
  const args = [
    ...JVM_FLAGS,
    '-Xmx256m',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    classpath,
    'org.apache.kafka.tools.VerifiableProducer',
    `--bootstrap-server=${bootstrap}`,
    `--topic=${topic}`,
    '--acks=-1',
    `--command-config=${config}`,
    `--throughput=${recordsPerSecond}`,
  ];
  const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const sent = new Map<string, string>();
  const failures: string[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (!text.startsWith('{')) return;
    const line = JSON.parse(text) as Line;
    if (line.name === 'producer_send_success') sent.set(`${line.partition}/${line.offset}`, line.value!);
    else if (line.name === 'producer_send_error') failures.push(`${line.value}: ${line.message}`);
  });
  const discard = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    discard,
    acknowledged: () => sent.size,
    failures,
    async finish(from) {
      const exited = once(child, 'close');
      child.kill('SIGTERM');
      await exited;
      discard();
      const client = new Client({ bootstrap: from });
      try {
        const consumer = client.consumer({ assign: [{ topic }], from: 'earliest' });
        for (let left = sent.size; left > 0;) {
          const batch = await consumer.poll({ timeoutMs: 30_000 });
          assert.ok(batch !== undefined, `${left} records that Java had acknowledged are not there`);
          for (const { partition, offset, text } of batch.records) {
            const expected = sent.get(`${partition}/${offset}`);
            if (expected === undefined) continue;
            assert.equal(text, expected, `${partition}/${offset}`);
            left -= 1;
          }
        }
      } finally {
        await client.close();
      }
    },
  };
}
