#!/usr/bin/env node
/**
 * The command of the installed package: sets up this process as `bin/headrace` sets up one in a checkout, and goes on with the
 * command line.
 */
import * as nodeModule from 'node:module';

const OLDEST_NODE = [24, 15] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.error(`headrace: Node ${OLDEST_NODE.join('.')} or newer is needed; this is ${process.version}`);
  process.exit(1);
}
// Syncs of many files wait for the disk side by side, each in a thread: more of them share one write of the disk.
process.env['UV_THREADPOOL_SIZE'] ??= '16';
nodeModule.enableCompileCache();
await import('./headrace.ts');
