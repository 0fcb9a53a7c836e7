/**
 * Programs that are built once and kept: one folder per name and content hash, outside the tree. A folder is built by one
 * process at a time and carries a marker once whole, so several may ask at the same time and a warm start costs a stat.
 */
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const BUILD_WAIT_MS_MAX = 10 * 60_000;
const COMMAND_OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export function cacheFolder(): string {
  return process.env['HEADRACE_CACHE'] ?? join(homedir(), '.cache', 'headrace');
}

/**
 * Returns the folder of what `name` is built from with these `inputs` (versions, sources: whatever decides its content),
 * building it first when it is not there. Concurrent callers, also in other processes, wait for the one that builds.
 */
export async function built(
  name: string,
  inputs: string[],
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 12);
  const folder = join(cacheFolder(), `${name}-${digest}`);
  const marker = join(folder, '.ready');
  if (existsSync(marker)) return folder;
  const unlock = await lock(`${folder}.lock`);
  try {
    if (existsSync(marker)) return folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await build(folder);
    writeFileSync(marker, '');
    return folder;
  } finally {
    unlock();
  }
}

/** Runs a command to its end; returns what it printed on stdout. Throws with the end of stderr when it fails. */
export function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settings = {
      maxBuffer: COMMAND_OUTPUT_BYTES_MAX,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    };
    execFile(command, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(
          new Error(`${command} ${args.slice(0, 3).join(' ')}: ${(stderr || error.message).slice(-4000)}`),
        );
    });
  });
}

/** A lock is a folder that holds its owner's process id; the lock of a dead owner is taken over. */
async function lock(path: string): Promise<() => void> {
  mkdirSync(cacheFolder(), { recursive: true });
  for (let waitedMs = 0; waitedMs < BUILD_WAIT_MS_MAX; waitedMs += 200) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, 'pid'), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!ownerLives(path)) rmSync(path, { recursive: true, force: true });
    await delay(200);
  }
  throw new Error(`${path} has been locked for ${BUILD_WAIT_MS_MAX} ms`);
}

function ownerLives(path: string): boolean {
  let owner: number;
  try {
    owner = Number(readFileSync(join(path, 'pid'), 'utf8'));
  } catch {
    return true;
  }
  if (owner === 0) return true;
  try {
    process.kill(owner, 0);
    return true;
  } catch {
    return false;
  }
}
