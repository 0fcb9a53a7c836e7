/**
 * Removing the folders of logs: a folder first gets a name that says it is to go, durably, and goes after a while, so
 * that readers that have begun may finish.
 */
import type { Random } from '../base/ports.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import type { LogDirectory } from './log-directory.ts';

/** Takes the name from a partition's folder and removes it after `delayMs`. A failure ends the directory. */
export function removeFolder(
  environment: LogEnvironment,
  directory: LogDirectory,
  options: { readonly name: string; readonly folder: string; readonly delayMs: number },
): void {
  const { disk, random } = environment;
  const parsed = names.parsePartitionFolder(options.name)!;
  const path = directory.pathOf(names.markedFolderName(parsed, uniqueMark(random), 'delete'));
  try {
    disk.rename(options.folder, path);
    disk.syncDirectory(directory.path);
  } catch (error) {
    directory.fail(error);
    return;
  }
  removeLater(environment, directory, { path, delayMs: options.delayMs });
}

/** After a shutdown it is the next start that removes it. */
export function removeLater(
  { disk, timers }: LogEnvironment,
  directory: LogDirectory,
  options: { readonly path: string; readonly delayMs: number },
): void {
  timers.after(options.delayMs, () => {
    directory.removeInTurn(() => disk.removeDirectoryAsync(options.path));
  });
}

/** 32 hexadecimal digits that no other folder here has. */
export function uniqueMark(random: Random): string {
  return random.bytes(16).toString('hex');
}
