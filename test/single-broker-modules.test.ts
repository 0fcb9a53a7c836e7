/**
 * What a broker that is alone, on a listener in the clear, loads: memory and the time to start are paid by everybody, so what
 * only clusters, TLS or other commands need is loaded by those who use it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const PROGRAM = new URL('../bin/headrace.ts', import.meta.url).pathname;
const OTHERS_ONLY = [
  /\/src\/metadata\/etcd\//,
  /\/src\/client\//,
  /\/src\/runtime\/(grpc|tls|simulated)/,
  /\/src\/testing\//,
  /\/bin\/(cluster|cluster-store|dev-cluster|etcd-program|lease-thread|cleaner-thread)\.ts$/,
  /^node:(http|http2|https|tls|inspector|test)$/,
];

test('a broker that is alone loads no module that only others need', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-modules-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const list = join(folder, 'modules');
  const hook = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
    registerHooks({ load(url, given, next) {
      appendFileSync(${JSON.stringify(list)}, url + '\\n');
      return next(url, given);
    } });`;
  const preload = `data:text/javascript,${encodeURIComponent(hook)}`;
  const args = ['--import', preload, PROGRAM, 'start', '--port', '0', '--data', join(folder, 'data')];
  const broker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => broker.kill('SIGKILL'));
  const [said] = (await once(broker.stdout, 'data')) as [Buffer];
  assert.match(said.toString(), /headrace ready on/);
  const modules = readFileSync(list, 'utf8').trim().split('\n');
  assert.ok(
    modules.some((url) => url.endsWith('/src/broker/broker.ts')),
    'the list is one of modules',
  );
  const wrong = modules.filter((url) => OTHERS_ONLY.some((pattern) => pattern.test(url)));
  assert.deepEqual(wrong, []);
});
