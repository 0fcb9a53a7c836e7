// Installs the Python clients from PyPI into one virtual environment: confluent-kafka (librdkafka) and aiokafka with the
// compressor it needs. Wheels only, so that nothing is compiled.
import { join } from 'node:path';
import { cached, run } from './peer-cache.ts';

const PACKAGES = ['confluent-kafka==2.16.1', 'aiokafka==0.14.0', 'cramjam==2.14.0'];

/** The path of a Python interpreter that can import the clients. */
export async function installPython(): Promise<string> {
  const folder = await cached('python', PACKAGES, async (into) => {
    await run('python3', ['-m', 'venv', into]);
    await run(join(into, 'bin', 'pip'), ['install', '--quiet', '--only-binary=:all:', ...PACKAGES]);
  });
  return join(folder, 'bin', 'python');
}
