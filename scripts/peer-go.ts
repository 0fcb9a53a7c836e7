// Builds the small Go programs that drive a Go client library: one module with a command for each library.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, compile, run } from './peer-cache.ts';

const MODULE_FOLDER = join(import.meta.dirname, '..', 'test', 'interop', 'peers', 'go');

/** The path of the executable built from `test/interop/peers/go/<program>`. */
export async function installGo(program: 'sarama' | 'kafka-go' | 'franz-go'): Promise<string> {
  const sources = readdirSync(MODULE_FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(go|mod|sum)$/.test(name))
    .sort();
  const texts = sources.map((name) => readFileSync(join(MODULE_FOLDER, name), 'utf8'));
  const folder = await cached(`go-${program}`, [program, ...sources, ...texts], async (into) => {
    const args = ['build', '-o', join(into, 'driver'), `./${program}`];
    await run('go', ['mod', 'download'], { cwd: MODULE_FOLDER });
    await compile('go', args, { cwd: MODULE_FOLDER, env: { CGO_ENABLED: '0' } });
  });
  return join(folder, 'driver');
}
