/** A real Kafka 4.4.0 broker, to put the same requests to it as to ours, byte for byte as the codecs make them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { cached, run } from '../../scripts/peer-cache.ts';
import { apiOf, requestHeaderVersion, responseHeaderVersion } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/compile.ts';
import { Reader, Writer } from '../../src/protocol/wire.ts';
import { KAFKA_VERSION } from './kafka-jars.ts';

const ARTIFACT = `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`;
const START_MS_MAX = 90_000;
const CLUSTER_ID = 'aGVhZHJhY2UtY29uZm9ybQ';

export interface KafkaBroker {
  /** On 127.0.0.1, for tests that need connections of their own. */
  readonly port: number;
  /** The decoded answer. Requests go one after the other. */
  ask(key: number, version: number, body: object): Promise<unknown>;
  stop(): Promise<void>;
}

/** Errors: PeerMissing. */
async function brokerJars(): Promise<string> {
  return cached('kafka-broker', [ARTIFACT], async (into) => {
    const [groupId, artifactId, version] = ARTIFACT.split(':');
    writeFileSync(
      join(into, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>headrace</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId>
<version>${version}</version></dependency></dependencies></project>`,
    );
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${into}`], {
      cwd: into,
    });
  });
}

/** Starts one on free ports, with these settings over what it needs. Errors: PeerMissing. */
export async function startKafka(settings: Readonly<Record<string, string>> = {}): Promise<KafkaBroker> {
  const library = join(await brokerJars(), '*');
  const folder = mkdtempSync(join(tmpdir(), 'kafka-conformance-'));
  const [port, controllerPort] = [await freePort(), await freePort()];
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    ...settings,
  };
  const path = join(folder, 'server.properties');
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(path, lines.join('\n'));
  const java = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx512m', '-cp', library];
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', path]);
  const output = openSync(join(folder, 'out'), 'a');
  const child = spawn('java', [...java, 'kafka.Kafka', path], { stdio: ['ignore', output, output] });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const socket = await connected(port, child, () => readFileSync(join(folder, 'out'), 'utf8'));
    return {
      port,
      ask: client(socket),
      async stop() {
        socket.destroy();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

async function connected(port: number, child: ChildProcess, output: () => string): Promise<Socket> {
  for (const endMs = Date.now() + START_MS_MAX; Date.now() < endMs; await delay(100)) {
    if (child.exitCode !== null) break;
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(port, '127.0.0.1', () => resolve(attempt));
      attempt.once('error', () => resolve(undefined));
    });
    if (socket !== undefined) return socket;
  }
  throw new Error(`Kafka did not start:\n${output()}`);
}

function client(socket: Socket): KafkaBroker['ask'] {
  let received: Buffer = Buffer.alloc(0);
  let onFrame: ((frame: Buffer) => void) | undefined;
  let onEnd: ((error: Error) => void) | undefined;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
    const frame = received.subarray(4, 4 + received.readInt32BE(0));
    received = received.subarray(4 + frame.length);
    onFrame?.(frame);
  });
  socket.on('error', () => {});
  socket.on('close', () => onEnd?.(new Error('Kafka closed the connection')));
  return async (key, version, body) => {
    const api = apiOf(key)!;
    const writer = new Writer();
    writer.int16(key);
    writer.int16(version);
    writer.int32(1);
    writer.nullableString('conformance');
    if (requestHeaderVersion(api, version) === 2) writer.uvarint(0);
    codec(api.request, version).write(writer, body);
    const request = writer.toBuffer();
    const size = Buffer.alloc(4);
    size.writeInt32BE(request.length);
    const frame = await new Promise<Buffer>((resolve, reject) => {
      onFrame = resolve;
      onEnd = reject;
      socket.write(Buffer.concat([size, request]));
    });
    const reader = new Reader(frame);
    reader.int32();
    if (responseHeaderVersion(api, version) === 1) reader.skipTags();
    return codec(api.response, version).read(reader);
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(),
      );
    });
  });
}
