// etcd for tests: one from PATH when it is new enough, else built once (bin/etcd-program.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { builtEtcd, ETCD_VERSION_OLD, etcdProgram, etcdTools } from '../bin/etcd-program.ts';
import { PeerMissing, run } from './peer-cache.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;

/**
 * The path of an etcd of 3.5 or newer; of `HEADRACE_ETCD`, if that is set: a program, or `old` for one of the oldest line that
 * is served, which is built for it. Errors: PeerMissing.
 */
export async function installEtcd(): Promise<string> {
  const named = process.env['HEADRACE_ETCD'];
  try {
    return named === 'old' ? await builtEtcd(ETCD_VERSION_OLD) : await etcdProgram({ named });
  } catch (error) {
    throw new PeerMissing('etcd', error);
  }
}

/** A folder with etcdctl and etcdutl. Errors: PeerMissing. */
export async function installEtcdTools(): Promise<string> {
  try {
    return await etcdTools();
  } catch (error) {
    throw new PeerMissing('etcd tools', error);
  }
}

export interface EtcdOptions {
  /** Serves clients by TLS with a certificate that it makes for itself. */
  readonly isTls?: boolean;
  /** More arguments, such as `--quota-backend-bytes=...`. */
  readonly args?: readonly string[];
}

/** A member of a cluster, its data in a temporary folder, on free ports of the loopback interface. */
export interface Etcd {
  readonly port: number;
  readonly pid: number;
  /** PEM: who vouches for its certificate. */
  certificate(): string;
  /** Its own output so far. */
  log(): string;
  /** SIGSTOP: connections stay, nothing is answered any more. */
  pause(): void;
  /** SIGCONT */
  resume(): void;
  /** SIGTERM, and waits for the end; the data stays. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end; the data stays. */
  kill(): Promise<void>;
  /** On the same data and ports. */
  start(): Promise<void>;
  /** Ends it and removes the data. */
  discard(): Promise<void>;
}

/** A cluster of one. Resolves when it serves clients. Writes are not synced: nobody pulls the plug in these tests. */
export async function startEtcd(program: string, options: EtcdOptions = {}): Promise<Etcd> {
  const [only] = await startEtcdCluster(program, 1, options);
  return only!;
}

/** As startEtcd, with `count` members. */
export async function startEtcdCluster(
  program: string,
  count: number,
  options: EtcdOptions = {},
): Promise<Etcd[]> {
  const ports = await freePorts(3 * count);
  const members = Array.from({ length: count }, (_, index) => ({
    name: `member-${index}`,
    port: ports[3 * index]!,
    peerUrl: `http://127.0.0.1:${ports[3 * index + 1]}`,
    healthPort: ports[3 * index + 2]!,
  }));
  const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  return Promise.all(members.map((member) => startMember(program, { ...options, ...member, cluster })));
}

interface Member extends EtcdOptions {
  readonly name: string;
  readonly port: number;
  readonly peerUrl: string;
  readonly healthPort: number;
  /** Every member's name and peer URL. */
  readonly cluster: string;
}

async function startMember(program: string, options: Member): Promise<Etcd> {
  const { port, peerUrl, healthPort } = options;
  const folder = mkdtempSync(join(tmpdir(), 'headrace-etcd-'));
  const url = `${options.isTls === true ? 'https' : 'http'}://127.0.0.1:${port}`;
  const args = [
    `--name=${options.name}`,
    `--data-dir=${folder}/data`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${options.cluster}`,
    `--listen-metrics-urls=http://127.0.0.1:${healthPort}`,
    // Leases of one second are possible, and a restart takes less than that.
    '--heartbeat-interval=50',
    '--election-timeout=500',
    '--unsafe-no-fsync',
    '--log-level=warn',
    ...(options.isTls === true ? ['--auto-tls'] : []),
    ...(options.args ?? []),
  ];
  let child: ChildProcess | undefined;
  let output = '';

  async function start(): Promise<void> {
    const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    await healthy(started, healthPort, () => output);
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill(signal);
    // One that was paused hears SIGTERM only when it goes on.
    running.kill('SIGCONT');
    const limit = setTimeout(() => running.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(limit);
  }

  await start();
  return {
    port,
    get pid() {
      return child!.pid!;
    },
    certificate: () => readFileSync(join(folder, 'data', 'fixtures', 'client', 'cert.pem'), 'utf8'),
    log: () => output,
    pause: () => void child!.kill('SIGSTOP'),
    resume: () => void child!.kill('SIGCONT'),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    start,
    async discard() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function healthy(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const endMs = performance.now() + START_MS_MAX;
  while (performance.now() < endMs) {
    if (child.exitCode !== null) throw new Error(`etcd has ended: ${output().slice(-4000)}`);
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/health`);
      if (answer.ok && ((await answer.json()) as { health: string }).health === 'true') return;
    } catch {
      // Not listening yet.
    }
    await delay(20);
  }
  child.kill('SIGKILL');
  throw new Error(`etcd is not healthy after ${START_MS_MAX} ms: ${output().slice(-4000)}`);
}

/** A certificate for 127.0.0.1, which vouches for itself, as server and as client. Errors: PeerMissing. */
export async function makeCertificate(folder: string): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const purposes = ['subjectAltName=IP:127.0.0.1', 'extendedKeyUsage=serverAuth,clientAuth'];
  const args = ['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  args.push('-subj', '/CN=headrace', '-days', '2', '-keyout', key, '-out', certificate);
  for (const purpose of purposes) args.push('-addext', purpose);
  try {
    await run('openssl', args);
  } catch (error) {
    throw new PeerMissing('openssl', error);
  }
  return { certificate, key };
}

/** Ports that nobody listens on now; all held until the last is there, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  return ports;
}
