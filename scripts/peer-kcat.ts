// Finds kcat, or installs it from the system's packages when this process may.
import { PeerMissing, run } from './peer-cache.ts';

/** The name of an executable kcat. Errors: PeerMissing. */
export async function installKcat(): Promise<string> {
  if (await works()) return 'kcat';
  try {
    if (process.getuid?.() !== 0) throw new Error('kcat is not installed, and only root may install it');
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update'], { env });
    await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', 'kcat'], { env });
  } catch (error) {
    throw new PeerMissing('kcat', error);
  }
  if (!(await works())) throw new PeerMissing('kcat', 'the installed program does not start');
  return 'kcat';
}

async function works(): Promise<boolean> {
  try {
    await run('kcat', ['-V']);
    return true;
  } catch {
    return false;
  }
}
