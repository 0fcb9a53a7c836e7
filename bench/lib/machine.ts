/** On what the figures were measured: they mean nothing without it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import os from 'node:os';
import { KAFKA_TOOLS_VERSION } from '../../scripts/peer-java.ts';
import { benchFolder, ROOT } from './servers.ts';

/** The kinds of file system that a Linux kernel names by number in statfs(2); others are shown as their number. */
const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  ef53: 'ext4',
  '58465342': 'XFS',
  '9123683e': 'Btrfs',
  '1021994': 'tmpfs (memory, not a disk)',
  '794c7630': 'overlayfs',
};

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly node: string;
  readonly java: string;
  readonly kafka: string;
  /** Commit; with '+' when the checkout had changes that no commit has. */
  readonly headrace: string;
}

export function machine(): Machine {
  const { model } = os.cpus()[0] ?? { model: 'unknown' };
  return {
    processor: /^\s*$|unknown/i.test(model) ? processorName() : model.trim(),
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    fileSystem: fileSystem(),
    node: process.version,
    java: javaVersion(),
    kafka: KAFKA_TOOLS_VERSION,
    headrace: commit(),
  };
}

function processorName(): string {
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  return /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? os.arch();
}

function fileSystem(): string {
  const type = statfsSync(benchFolder()).type.toString(16);
  return FILE_SYSTEMS[type] ?? `type 0x${type}`;
}

function javaVersion(): string {
  const text = execFileSync('java', ['--version'], { encoding: 'utf8' });
  return text.split('\n')[1]?.trim() ?? text;
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bin', 'package.json');
    return git('rev-parse', '--short=10', 'HEAD') + (changed === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
