// docs/operations/cluster.md, done: its commands are taken out of the page and run, in their order, on three hosts of our own.
// The short run leaves out the blocks that are marked as long, which need etcd's own tools; HEADRACE_OPERATIONS=long has
// them built.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { installEtcd, installEtcdTools } from '../../scripts/peer-etcd.ts';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { installKcat } from '../../scripts/peer-kcat.ts';
import { obtain } from '../interop/peer.ts';
import { makeFolder, prepareMachine } from '../faults/machine.ts';
import { hostOf, makeNetwork, removeNetwork } from '../faults/network.ts';
import { commandBlocks, type CommandBlock } from './document.ts';
import { Machine, makePrograms } from './machine.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DOCUMENT = join(ROOT, 'docs', 'operations', 'cluster.md');
const IS_LONG = process.env['HEADRACE_OPERATIONS'] === 'long';
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];

const { skip: skipMachine } = await obtain(prepareMachine);
const { installed: etcd, skip: skipEtcd } = await obtain(installEtcd);
const { installed: tools, skip: skipTools } = IS_LONG
  ? await obtain(installEtcdTools)
  : { installed: undefined, skip: undefined };
const { installed: kafka, skip: skipKafka } = IS_LONG
  ? await obtain(installKafkaTools)
  : { installed: undefined, skip: undefined };
const { skip: skipKcat } = await obtain(installKcat);
const skip = skipMachine ?? skipEtcd ?? skipTools ?? skipKafka ?? skipKcat ?? false;

const blocks = commandBlocks(readFileSync(DOCUMENT, 'utf8'));

test('the page has commands for each machine, and none that cannot be run', () => {
  assert.ok(blocks.length > 20);
  for (const { machines, line } of blocks) {
    assert.ok(machines.length > 0 && machines.every((one) => one >= 1 && one <= 3), `line ${line}`);
  }
});

test('every command of the page does what the page says', { skip }, async (context) => {
  const folder = makeFolder();
  const hosts = ADDRESSES.map((address, index) => ({
    ...hostOf(process.pid, [`machine${index + 1}`, index + 1]),
    address,
  }));
  const machines: Machine[] = [];
  try {
    makeNetwork(process.pid, hosts);
    const programs = makePrograms({ folder, root: ROOT, etcd: etcd!, tools, kafka });
    for (const host of hosts) machines.push(new Machine(host, { folder, programs }));
    for (const block of blocks) {
      if (block.isLong && !IS_LONG) continue;
      await context.test(`line ${block.line}: ${firstLine(block)}`, async () => {
        for (const number of block.machines) await machines[number - 1]!.run(block);
      });
      if (machines.some(({ hasEnded }) => hasEnded)) break;
    }
  } finally {
    for (const machine of machines) machine.end();
    removeNetwork(process.pid);
    rmSync(folder, { recursive: true, force: true });
  }
});

function firstLine({ commands, machines }: CommandBlock): string {
  return `${commands.split('\n')[0]!.slice(0, 60)} (on ${machines.join(', ')})`;
}
