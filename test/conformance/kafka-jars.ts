/**
 * Kafka's own released code as an oracle: its jars from Maven Central, the message definitions inside them, and our small
 * Java programs compiled against them. All of it lives in the cache of scripts/peer-cache.ts, outside the tree.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PeerMissing, cached, run } from '../../scripts/peer-cache.ts';

export const KAFKA_VERSION = '4.4.0';
const KAFKA_MODULES = [
  'kafka-clients',
  'kafka-group-coordinator',
  'kafka-transaction-coordinator',
  'kafka-share-coordinator',
  'kafka-storage',
  'kafka-raft',
];
/** What Kafka's classes need to run: the codecs with their native libraries, JSON, logging. */
const LIBRARIES = [
  'com.github.luben:zstd-jni:1.5.7-17',
  'at.yawk.lz4:lz4-java:1.11.2',
  'org.xerial.snappy:snappy-java:1.1.10.7',
  'org.slf4j:slf4j-api:1.7.36',
];
const ARTIFACTS = [
  ...KAFKA_MODULES.map((module) => `org.apache.kafka:${module}:${KAFKA_VERSION}`),
  ...LIBRARIES,
];
const PROGRAMS = join(import.meta.dirname, 'java');

/** The folder with the jars and, under `definitions`, the JSON of every message and record. */
async function jars(): Promise<string> {
  return cached('kafka-conformance', ARTIFACTS, async (into) => {
    const items = ARTIFACTS.map((artifact) => {
      const [groupId, artifactId, version] = artifact.split(':');
      const item = `<groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>`;
      return `<artifactItem>${item}</artifactItem>`;
    });
    writeFileSync(
      join(into, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>headrace</groupId><artifactId>conformance</artifactId><version>1</version><packaging>pom</packaging>
<build><plugins><plugin><artifactId>maven-dependency-plugin</artifactId><configuration>
<outputDirectory>${into}</outputDirectory><artifactItems>${items.join('\n')}</artifactItems>
</configuration></plugin></plugins></build></project>`,
    );
    await run('mvn', ['-q', '-B', 'dependency:copy'], { cwd: into });
    for (const module of KAFKA_MODULES) {
      const folder = join(into, 'definitions', module);
      mkdirSync(folder, { recursive: true });
      await run('jar', ['--extract', '--file', join(into, `${module}-${KAFKA_VERSION}.jar`)], {
        cwd: folder,
      });
    }
  });
}

/** A field of a definition, as Kafka writes it; see reference/protocol.md §7 for the keys left out. */
export interface DefinedField {
  readonly name: string;
  readonly type: string;
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly flexibleVersions?: string;
  readonly tag?: number;
  readonly default?: string | number | boolean | null;
  readonly fields?: readonly DefinedField[];
}
export interface Definition {
  /** The jar that it comes from, without its version. */
  readonly module: string;
  readonly name: string;
  /** `request`, `response`, `header` or one of the kinds of records. */
  readonly type: string;
  readonly apiKey?: number;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly fields: readonly DefinedField[];
  readonly commonStructs?: readonly {
    readonly name: string;
    readonly versions: string;
    readonly fields: readonly DefinedField[];
  }[];
}

/** Every definition of the release, sorted by name. Errors: PeerMissing. */
export async function kafkaDefinitions(): Promise<Definition[]> {
  const root = join(await jars(), 'definitions');
  const found: Definition[] = [];
  for (const module of KAFKA_MODULES) {
    for (const folder of ['common/message', 'message']) {
      let names: string[];
      try {
        names = readdirSync(join(root, module, folder)).filter((name) => name.endsWith('.json'));
      } catch {
        continue; // a jar has its definitions in one of the two folders
      }
      for (const name of names)
        found.push({ ...parse(readFileSync(join(root, module, folder, name), 'utf8')), module });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The files are JSON with comments that fill their lines. */
function parse(text: string): Omit<Definition, 'module'> {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('//'));
  return JSON.parse(lines.join('\n')) as Definition;
}

/** The arguments that make `java` run one of our programs beside Kafka's classes. Errors: PeerMissing. */
export async function javaProgram(name: string): Promise<string[]> {
  const library = join(await jars(), '*');
  const source = join(PROGRAMS, `${name}.java`);
  const inputs = [...ARTIFACTS, readFileSync(source, 'utf8')];
  let compiled: string;
  try {
    compiled = await cached(`kafka-conformance-${name.toLowerCase()}`, inputs, async (into) => {
      await run('javac', ['-nowarn', '-cp', library, '-d', into, source]);
    });
  } catch (error) {
    // The JDK is here, since the jars have been opened: a program that does not compile is our fault, not an absent peer.
    throw error instanceof PeerMissing ? new Error(error.message, { cause: error }) : error;
  }
  return ['-XX:+UseSerialGC', '-XX:-UsePerfData', '-cp', `${compiled}:${library}`, name];
}

/** What `obtain` gave, or the reason for which the test that needs it is left out by name; with CI=true that is a failure. */
export async function orSkip<T>(obtain: () => Promise<T>): Promise<{ have: T } | { skip: string }> {
  try {
    return { have: await obtain() };
  } catch (error) {
    if (!(error instanceof PeerMissing) || process.env['CI'] === 'true') throw error;
    return { skip: `SKIP ${error.message}` };
  }
}
