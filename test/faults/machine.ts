/** What this machine must have for faults of whole hosts: it says what is missing, and installs what root may install. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeerMissing, run } from '../../scripts/peer-cache.ts';
import { LoopDisk, unmountBelow } from './disks.ts';
import { deadOwners, hostOf, isAlive, makeNetwork, removeNetwork } from './network.ts';

const CLOCK_LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const MEMORY_FOLDER = '/dev/shm';
const FOLDER_PREFIX = 'headrace-faults-';
const MEMORY_BYTES_MIN = 4 * 1024 ** 3;

/** The library that shifts clocks. Errors: PeerMissing, saying what cannot be done here. */
export async function prepareMachine(): Promise<{ readonly clockLibrary: string | undefined }> {
  const missing = (what: string, error?: unknown): PeerMissing =>
    new PeerMissing(
      'fault machine',
      `${what}${error instanceof Error ? `: ${error.message.split('\n')[0]}` : ''}`,
    );
  if (process.platform !== 'linux') throw missing('network namespaces are of Linux alone');
  if (process.getuid?.() !== 0) throw missing('only root may make network namespaces and mounts');
  for (const [program, name] of [
    ['nft', 'nftables'],
    ['ip', 'iproute2'],
    ['nsenter', 'util-linux'],
    ['mkfs.ext4', 'e2fsprogs'],
  ] as const) {
    await haveOrInstall(program, name).catch((error: unknown) => {
      throw missing(`${program} is not there, and ${name} cannot be installed`, error);
    });
  }
  if (!existsSync(CLOCK_LIBRARY)) await install('libfaketime').catch(() => {});
  for (const owner of deadOwners()) removeNetwork(owner);
  removeDeadFolders();
  try {
    const host = hostOf(process.pid, ['try', 1]);
    try {
      makeNetwork(process.pid, [host]);
      execFileSync('nsenter', [`--net=/run/netns/${host.name}`, 'nft', 'list', 'ruleset'], { stdio: 'pipe' });
    } finally {
      removeNetwork(process.pid);
    }
  } catch (error) {
    throw missing('a network namespace with nftables cannot be made', error);
  }
  const folder = makeFolder();
  try {
    const disk = new LoopDisk(folder, 'try');
    disk.make();
    disk.remove();
  } catch (error) {
    throw missing('a file system in a file cannot be mounted', error);
  } finally {
    unmountBelow(folder);
    rmSync(folder, { recursive: true, force: true });
  }
  return { clockLibrary: existsSync(CLOCK_LIBRARY) ? CLOCK_LIBRARY : undefined };
}

/**
 * A folder for a run, in memory where there is enough of it: disks that nobody else waits for. One that is kept has another
 * name, or the next run would take it for one that was left behind.
 */
export function makeFolder(isKept = false): string {
  const isRoomy = existsSync(MEMORY_FOLDER) && freeBytes(MEMORY_FOLDER) >= MEMORY_BYTES_MIN;
  const name = isKept ? 'headrace-faults-kept-' : `${FOLDER_PREFIX}${process.pid}-`;
  return mkdtempSync(join(isRoomy ? MEMORY_FOLDER : tmpdir(), name));
}

/** Folders of runs that were killed, with what is mounted in them. */
function removeDeadFolders(): void {
  for (const parent of new Set([MEMORY_FOLDER, tmpdir()])) {
    for (const path of globSync(join(parent, `${FOLDER_PREFIX}*`))) {
      const owner = new RegExp(`${FOLDER_PREFIX}(\\d+)-`).exec(path)?.[1];
      if (owner === undefined || isAlive(Number(owner))) continue;
      unmountBelow(path);
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

async function haveOrInstall(program: string, name: string): Promise<void> {
  if (isThere(program)) return;
  await install(name);
  if (!isThere(program)) throw new Error('it is not on PATH');
}

async function install(name: string): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update'], { env });
  await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', name], { env });
}

function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}
