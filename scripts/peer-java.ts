// Installs Apache Kafka's own Java code from Maven Central: the tools and broker of 4.3.1 (the newest release whose tools are
// published whole) and the clients of 4.4.0 with our driver program compiled against them.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, compile, run } from './peer-cache.ts';

export const KAFKA_TOOLS_VERSION = '4.3.1';
export const KAFKA_CLIENTS_VERSION = '4.4.0';

/** Every JVM we start: small and quick to start rather than fast once warm (the machine may have two cores). */
export const JVM_FLAGS = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Xshare:auto'];

type Artifact = `${string}:${string}:${string}`;

const LOGGING: Artifact = 'org.slf4j:slf4j-simple:1.7.36';
const TOOLS: Artifact[] = [
  `org.apache.kafka:kafka_2.13:${KAFKA_TOOLS_VERSION}`,
  `org.apache.kafka:kafka-tools:${KAFKA_TOOLS_VERSION}`,
  LOGGING,
];
const JSON_LIBRARY: Artifact = 'com.fasterxml.jackson.core:jackson-databind:2.18.2';
/** Of the tools' version, and brings RocksDB's native library. */
const STREAMS: Artifact[] = [`org.apache.kafka:kafka-streams:${KAFKA_TOOLS_VERSION}`, JSON_LIBRARY, LOGGING];
const PROGRAMS_FOLDER = join(import.meta.dirname, '..', 'test', 'interop', 'peers');

/** The classpath of Kafka's tools and broker. */
export async function installKafkaTools(): Promise<string> {
  const folder = await cached('kafka-tools', TOOLS, (into) => copyDependencies(TOOLS, into));
  return classpath(join(folder, 'lib'));
}

/** The classpath of the clients, the newest ones unless it is said otherwise, with our driver program (class `Driver`) in it. */
export async function installKafkaClients(version: string = KAFKA_CLIENTS_VERSION): Promise<string> {
  const clients: Artifact[] = [`org.apache.kafka:kafka-clients:${version}`, JSON_LIBRARY, LOGGING];
  const jars = await cached('kafka-clients', clients, (into) => copyDependencies(clients, into));
  return compiled('kafka-clients-driver', { artifacts: clients, jars, program: 'java' });
}

/** The classpath of Kafka Streams with our application (class `Application`) in it. */
export async function installKafkaStreams(): Promise<string> {
  const jars = await cached('kafka-streams', STREAMS, (into) => copyDependencies(STREAMS, into));
  return compiled('kafka-streams-application', { artifacts: STREAMS, jars, program: 'java-streams' });
}

/** Compiles test/interop/peers/<program> against the jars; the classpath of both. */
async function compiled(
  name: string,
  { artifacts, jars, program }: { artifacts: Artifact[]; jars: string; program: string },
): Promise<string> {
  const library = classpath(join(jars, 'lib'));
  const folder = join(PROGRAMS_FOLDER, program);
  const sources = readdirSync(folder)
    .filter((file) => file.endsWith('.java'))
    .sort()
    .map((file) => join(folder, file));
  const texts = sources.map((path) => readFileSync(path, 'utf8'));
  const classes = await cached(name, [...artifacts, ...texts], async (into) => {
    await compile('javac', ['-nowarn', '-cp', library, '-d', into, ...sources]);
  });
  return `${classes}:${library}`;
}

/** Folders `data` and `metadata` formatted for broker 1; copied for each Kafka we start, as formatting takes a JVM. */
export async function installKafkaStorage(): Promise<string> {
  const tools = await installKafkaTools();
  return cached('kafka-storage', [KAFKA_TOOLS_VERSION], async (into) => {
    const properties = join(into, 'format.properties');
    writeFileSync(
      properties,
      [
        'process.roles=broker,controller',
        'node.id=1',
        'controller.quorum.voters=1@127.0.0.1:1',
        'controller.listener.names=CONTROLLER',
        'listeners=CONTROLLER://127.0.0.1:1,PLAINTEXT://127.0.0.1:2',
        `log.dirs=${join(into, 'data')}`,
        `metadata.log.dir=${join(into, 'metadata')}`,
      ].join('\n'),
    );
    const clusterId = 'aGVhZHJhY2UtaW50ZXJvcA';
    await run('java', [
      ...JVM_FLAGS,
      '-cp',
      tools,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId,
      '-c',
      properties,
    ]);
  });
}

/** Copies the formatted folders to `into`, which then has `data` and `metadata`. */
export function copyKafkaStorage(storage: string, into: string): void {
  mkdirSync(into, { recursive: true });
  for (const name of ['data', 'metadata']) cpSync(join(storage, name), join(into, name), { recursive: true });
}

async function copyDependencies(artifacts: Artifact[], into: string): Promise<void> {
  const dependencies = artifacts.map((artifact) => {
    const [group, id, version] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`;
  });
  writeFileSync(
    join(into, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>peer</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>${dependencies.join('\n')}</dependencies></project>`,
  );
  const library = join(into, 'lib');
  await run(
    'mvn',
    ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${library}`, '-DincludeScope=runtime'],
    {
      cwd: into,
    },
  );
  if (!existsSync(library)) throw new Error('maven copied nothing');
}

function classpath(library: string): string {
  return readdirSync(library)
    .sort()
    .map((jar) => join(library, jar))
    .join(':');
}
