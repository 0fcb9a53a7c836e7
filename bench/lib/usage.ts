/** What a process uses, from Linux's /proc: processor time, memory, descriptors, threads, disk. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** USER_HZ, the unit of the times in /proc; fixed at 100 for user space on all Linux platforms that Node supports. */
const TICKS_PER_SECOND = 100;
const KIB_PER_MIB = 1024;

export interface Usage {
  /** User and system together, all threads, since the process began; steps of 0.01 s. */
  readonly cpuSeconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly rssMiB: number;
  /** Since the process began or since `resetPeak`. */
  readonly rssPeakMiB: number;
  readonly descriptors: number;
  readonly threads: number;
}

export interface DiskUsage {
  /** What really came from or goes to the device; the page cache's hits are not in it. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** Throws where there is no /proc, with a message that says so. */
export function requireProc(): void {
  if (process.platform === 'linux') return;
  throw new Error('benchmarks read processor time and memory from /proc, so they run on Linux only');
}

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name is in brackets and may hold anything; the fields after it begin with number 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const userSeconds = Number(fields[14 - 3]) / TICKS_PER_SECOND;
  const systemSeconds = Number(fields[15 - 3]) / TICKS_PER_SECOND;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const statusNumber = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]);
  return {
    cpuSeconds: userSeconds + systemSeconds,
    userSeconds,
    systemSeconds,
    rssMiB: statusNumber('VmRSS') / KIB_PER_MIB,
    rssPeakMiB: statusNumber('VmHWM') / KIB_PER_MIB,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: statusNumber('Threads'),
  };
}

/** Lets `rssPeakMiB` begin anew at what is resident now. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export function diskUsageOf(pid: number): DiskUsage {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  const number = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(io)![1]);
  return { readBytes: number('read_bytes'), writtenBytes: number('write_bytes') };
}
