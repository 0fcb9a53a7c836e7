// Builds the small Go programs that drive a Go client library; each has a go.mod of its own beside it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, run } from './peer-cache.ts';

const PROGRAMS_FOLDER = join(import.meta.dirname, '..', 'test', 'interop', 'peers');

/** The path of the executable built from `test/interop/peers/<program>`. */
export async function installGo(program: 'sarama' | 'kafka-go'): Promise<string> {
  const sources = join(PROGRAMS_FOLDER, program);
  const texts = readdirSync(sources).sort().map((name) => readFileSync(join(sources, name), 'utf8'));
  const folder = await cached(`go-${program}`, texts, async (into) => {
    await run('go', ['build', '-o', join(into, 'driver'), '.'], { cwd: sources, env: { CGO_ENABLED: '0' } });
  });
  return join(folder, 'driver');
}
