/** `headrace cluster status` and `headrace cluster rebalance`: a terminal, signals, and a client for what src/cli decides. */
import { createInterface } from 'node:readline/promises';
import type { Ports } from '../src/base/ports.ts';
import { ClientCore } from '../src/client/core.ts';
import { settingsOf } from '../src/client/options.ts';
import { ClusterAdmin } from '../src/cli/cluster/cluster-admin.ts';
import { rebalance, type RebalanceFlags, type Terminal } from '../src/cli/cluster/rebalance.ts';
import { status } from '../src/cli/cluster/status.ts';
import { realPorts } from '../src/runtime/ports.ts';
import { silentLogger } from '../src/runtime/logger.ts';
import { readCommandConfig } from './command-config.ts';

const CLIENT_ID = 'headrace-cluster';
/** Where there is no screen, a line of progress now and then is enough. */
const PROGRESS_MS = 5_000;

export interface ClusterFlags {
  readonly bootstrapServer: string;
  readonly commandConfig?: string;
}

/** Resolves with the exit code. Rejects when the cluster cannot be asked. */
export async function clusterStatus({
  bootstrapServer,
  commandConfig,
  json,
}: ClusterFlags & { readonly json: boolean }): Promise<number> {
  const ports = realPorts({ logger: silentLogger() });
  const admin = adminOf(
    { bootstrapServer, ...(commandConfig === undefined ? {} : { commandConfig }) },
    ports,
  );
  try {
    await status({ json }, { admin, terminal: terminal(), timers: ports.timers });
    return 0;
  } finally {
    admin.close();
  }
}

/** As `clusterStatus`. The first SIGINT or SIGTERM ends it in order, the second at once. */
export async function clusterRebalance({
  bootstrapServer,
  commandConfig,
  ...flags
}: ClusterFlags & RebalanceFlags): Promise<number> {
  const ports = realPorts({ logger: silentLogger() });
  const admin = adminOf(
    { bootstrapServer, ...(commandConfig === undefined ? {} : { commandConfig }) },
    ports,
  );
  const stopping = new AbortController();
  const onSignal = (): void => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await rebalance(flags, { admin, terminal: terminal(), ports, signal: stopping.signal });
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    admin.close();
  }
}

function adminOf({ bootstrapServer, commandConfig }: ClusterFlags, ports: Ports): ClusterAdmin {
  const config = readCommandConfig(commandConfig, ports);
  const options = { bootstrap: bootstrapServer, clientId: CLIENT_ID, ...config.options };
  return new ClusterAdmin(new ClientCore(config.ports, settingsOf(options)));
}

function terminal(): Terminal {
  const { stdout, stdin } = process;
  let shown = '';
  let shownAtMs = -Infinity;
  const end = (): void => {
    if (shown !== '') stdout.write('\n');
    shown = '';
  };
  return {
    canAsk: stdin.isTTY && stdout.isTTY,
    write(text) {
      end();
      stdout.write(text);
    },
    showProgress(line) {
      if (stdout.isTTY) {
        stdout.write(`\r${line.padEnd(shown.length)}`);
        shown = line;
        return;
      }
      const nowMs = performance.now();
      if (nowMs - shownAtMs < PROGRESS_MS) return;
      shownAtMs = nowMs;
      stdout.write(`${line}\n`);
    },
    async ask(question) {
      const lines = createInterface({ input: stdin, output: stdout });
      try {
        const answer = await lines.question(`${question} [y/N] `);
        return /^y(es)?$/i.test(answer.trim());
      } finally {
        lines.close();
      }
    },
  };
}
