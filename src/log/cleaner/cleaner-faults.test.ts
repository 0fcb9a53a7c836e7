/** What goes wrong while a log is cleaned: full disks, damage, dead threads, a move. Appends and reads go on, nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk, DiskFile, Logger, Thread } from '../../base/ports.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { simulatedPorts } from '../../runtime/simulated-ports.ts';
import { simulatedThread, type SimulatedThread } from '../../runtime/simulated-thread.ts';
import { CLEANER_CHECKPOINT, segmentFileName } from '../file-names.ts';
import { emptyStats, type CleaningJob } from './cleaning-job.ts';
import { CleanerWorld, DIRECTORY, type CleanerWorldOptions } from './test-cleaner-world.ts';
import { CleaningThreads } from './thread-runner.ts';
import { serveCleaning } from './thread-side.ts';

const OTHER_DIRECTORY = '/other';
const BATCHES = 12;
/** Three batches. */
const SEGMENT_BYTES = 250;
/** Of what `fill` writes; the key `a` has the value of the last batch. */
const LAST = `${2 * BATCHES - 2}:a=${BATCHES - 1}`;
const MARKS = /\.(cleaned|swap)$/;

/** Keeps each line as `level: message`. */
function listeningLogger(lines: string[]): Logger {
  const log =
    (level: string) =>
    (_fields: object, message: string): void =>
      void lines.push(`${level}: ${message}`);
  const logger: Logger = {
    ...silentLogger(),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  };
  return logger;
}

async function filled(options: CleanerWorldOptions & { readonly inThreads?: SimulatedThread[] } = {}) {
  const log = new CleanerWorld('faults', {
    ...options,
    settings: { segmentBytes: SEGMENT_BYTES, ...options.settings },
    disk: { readLatencyMs: 1, syncLatencyMs: 1, ...options.disk },
  });
  const { inThreads } = options;
  if (inThreads !== undefined) log.startThread = () => threadOn(log, inThreads);
  log.cleanerSettings = { ...log.cleanerSettings, backoffMs: 1_000 };
  await log.open();
  await fill(log);
  return log;
}

async function fill(log: CleanerWorld): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) log.append([`a=${batch}`, `b${batch}=1`]);
  log.log.roll();
  await log.ports.time.settle(log.log.flush());
}

async function fillOther(log: CleanerWorld): Promise<void> {
  log.append(['x=1', 'x=2'], { log: log.otherLog });
  log.otherLog.roll();
  await log.ports.time.settle(log.otherLog.flush());
}

/** A cleaning thread on the world's disk; dead, it touches nothing any more, as a real one. */
function threadOn(log: CleanerWorld, started: SimulatedThread[]): Thread {
  const { disk, clock, timers } = log.ports;
  const thread = simulatedThread(timers, (port, isOver) => {
    serveCleaning(port, { disk: guarded(disk, isOver), clock });
  });
  started.push(thread);
  return thread;
}

function guarded<T extends Disk | DiskFile>(target: T, isOver: () => boolean): T {
  return new Proxy(target, {
    get(_, name) {
      const value = target[name as keyof T];
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (isOver()) throw new Error('the thread is dead');
        const result: unknown = value.apply(target, args);
        return name === 'open' ? guarded(result as DiskFile, isOver) : result;
      };
    },
  });
}

/** Everything is there, and only once; what was appended last is found. */
async function mustBeWhole(log: CleanerWorld, last: string = LAST): Promise<void> {
  const seen = await log.texts();
  const offsets = seen.map((text) => Number(text.split(':')[0]));
  assert.deepEqual(
    offsets,
    [...new Set(offsets)].sort((a, b) => a - b),
  );
  assert.ok(seen.includes(last), seen.join(' '));
  for (let batch = 0; batch < BATCHES; batch++) assert.ok(seen.includes(`${2 * batch + 1}:b${batch}=1`));
}

function mustBeClean(texts: readonly string[]): void {
  const keys = texts.map((text) => text.slice(text.indexOf(':') + 1, text.indexOf('=')));
  assert.equal(new Set(keys).size, keys.length, texts.join(' '));
}

for (const where of ['on the main loop', 'in a thread']) {
  test(`a disk that is full while a log is cleaned ${where} loses nothing, and the cleaning is tried again`, async () => {
    // Some room for what is appended meanwhile; the cleaned segments are larger.
    for (const failing of ['open', 'write', 'rename'] as const) {
      const lines: string[] = [];
      let isFull = false;
      let refusals = 0;
      const log = await filled({
        logger: listeningLogger(lines),
        ...(where === 'in a thread' ? { inThreads: [] } : {}),
        disk: {
          fault: ({ kind, path }) => {
            if (!isFull || kind !== failing || !path.includes('.cleaned')) return undefined;
            refusals += 1;
            return 'ENOSPC';
          },
        },
      });
      isFull = true;
      const files = log.files();
      await log.pass(5_500);
      assert.ok(refusals >= 4, `${failing}: asked for ${refusals} times`);
      assert.ok(lines.includes('warn: the disk refused the cleaning of a log; it is tried again'), failing);
      assert.equal(log.directories.cleaner.problemOf(log.log), undefined);
      assert.equal(log.log.failure, undefined, 'a full disk is not a broken one');
      await mustBeWhole(log);
      assert.equal((await log.texts()).length, 2 * BATCHES, 'nothing was cleaned');
      const left = log.files().filter((name) => failing !== 'rename' && MARKS.test(name));
      assert.deepEqual(left, [], 'what was written for nothing goes');
      log.append(['late=1']);
      isFull = false;
      await log.pass(3_000);
      mustBeClean(await log.texts());
      await mustBeWhole(log);
      assert.ok((await log.texts()).includes(`${2 * BATCHES}:late=1`));
      assert.ok(log.files().length < files.length + 3);
      await log.restart('lose');
      await mustBeWhole(log);
    }
  });
}

test('a disk without room at all: appends are refused, then go on, and the log is cleaned later', async () => {
  const log = await filled({ disk: { capacityBytes: 100_000 } });
  const filler = log.ports.disk.open(`${DIRECTORY}/filler`, 'create');
  const { usableBytes } = log.ports.disk.space(DIRECTORY);
  filler.write(0, [Buffer.alloc(usableBytes - 100)]);
  await log.pass(5_500);
  assert.equal(log.directories.cleaner.problemOf(log.log), undefined);
  await mustBeWhole(log);
  filler.truncate(0);
  filler.close();
  await log.pass(3_000);
  mustBeClean(await log.texts());
  log.append(['late=1']);
  await mustBeWhole(log);
});

test('no segment is swapped before the checkpoint can say that the log has gaps', async () => {
  let isFull = false;
  const log = await filled({
    disk: {
      fault: ({ path, kind }) =>
        isFull && kind === 'write' && path.includes(CLEANER_CHECKPOINT) ? 'ENOSPC' : undefined,
    },
  });
  isFull = true;
  const { sizeBytes } = log.log;
  await log.pass(3_500);
  assert.equal(log.log.sizeBytes, sizeBytes);
  isFull = false;
  await log.pass(2_000);
  assert.ok(log.log.sizeBytes < sizeBytes);
  mustBeClean(await log.texts());
});

test('damage ends the cleaning of its log: it is reported, others are cleaned, appends and reads go on', async () => {
  const lines: string[] = [];
  const log = await filled({ logger: listeningLogger(lines) });
  const path = `${DIRECTORY}/topic-0/${segmentFileName(log.log.segmentBaseOffsets()[1], '.log')}`;
  log.ports.disk.corrupt(path, 100, Buffer.from('damage'));
  await fillOther(log);
  await log.pass(3_000);
  assert.match(log.directories.cleaner.problemOf(log.log) ?? '', /is damaged at/);
  assert.ok(lines.includes('error: a log cannot be cleaned; it is left alone until the next start'));
  assert.equal(log.directories.cleaner.problemOf(log.otherLog), undefined);
  assert.ok(log.otherLog.cleanedTo! > 0);
  const { baseOffset } = log.append(['late=1']);
  assert.equal(baseOffset, 2 * BATCHES);
  const read = await log.ports.time.settle(
    Promise.resolve(
      log.log.read({ offset: baseOffset, maxBytes: 1000, upTo: baseOffset + 1, minOneMessage: true }),
    ),
  );
  assert.equal(read.nextOffset, baseOffset + 1);
  const [directory] = log.directories.cleaner.metrics().manager.directories;
  assert.equal(directory['uncleanable-partitions-count'], 1);
  assert.equal(directory['uncleanable-bytes'], log.log.sizeBytes - log.log.activeSegmentSizeBytes);
  // It is not tried again and again.
  const count = lines.length;
  await log.pass(10_000);
  assert.equal(lines.length, count);
});

test('a thread that dies at any moment of a cleaning takes nothing with it; the log waits for the next start', async () => {
  let deaths = 0;
  for (let moment = 0; moment < 50; moment++) {
    const threads: SimulatedThread[] = [];
    const lines: string[] = [];
    const log = await filled({ inThreads: threads, logger: listeningLogger(lines) });
    await fillOther(log);
    log.directories.cleaner.cleanDue();
    await log.pass(moment);
    const isAlive = threads.some((thread) => !thread.isOver);
    threads[0]?.die(new Error('out of memory'));
    await log.pass(100);
    await mustBeWhole(log);
    const { cleaner } = log.directories;
    assert.equal(cleaner.metrics().cleaner.DeadThreadCount, isAlive ? 1 : 0);
    log.append(['late=1']);
    await log.pass(2_000);
    assert.equal(cleaner.runningCount, 0);
    const problems = [log.log, log.otherLog].map((one) => cleaner.problemOf(one));
    const stuck = problems.filter((problem) => problem !== undefined);
    assert.ok(stuck.length <= (isAlive ? 1 : 0));
    for (const problem of stuck) {
      deaths += 1;
      assert.match(problem, /out of memory/);
      assert.ok(lines.some((line) => line.startsWith('error: the cleaning of a log failed unexpectedly')));
    }
    // The other one is cleaned by another thread.
    if (problems[0] === undefined) assert.equal(log.log.cleanedTo, 2 * BATCHES);
    if (problems[1] === undefined) assert.equal(log.otherLog.cleanedTo, 2);
    await log.ports.time.settle(log.log.flush());
    await log.restart('lose');
    await mustBeWhole(log);
    assert.ok((await log.texts()).includes(`${2 * BATCHES}:late=1`));
    assert.deepEqual(
      log.files().filter((name) => MARKS.test(name)),
      [],
    );
    await log.rollAndClean();
    mustBeClean(await log.texts());
    await mustBeWhole(log);
  }
  assert.ok(deaths > 20, `${deaths} deaths at work`);
});

test('a thread that dies while it is idle is not given the next job', async () => {
  const { time, timers } = simulatedPorts({ seed: 1 });
  const started: SimulatedThread[] = [];
  const deaths: string[] = [];
  const threads = new CleaningThreads({
    start: () => {
      const thread = simulatedThread(timers, (port) => {
        port.onMessage = () => port.post({ type: 'cleaned', stats: emptyStats() });
      });
      started.push(thread);
      return thread;
    },
    isLimited: () => false,
    onDeath: (error) => deaths.push(error.message),
  });
  const control = { step: () => Promise.resolve(), swap: () => Promise.resolve() };
  const run = (): Promise<unknown> => time.settle(threads.run({} as CleaningJob, control), 1_000);
  await run();
  await run();
  assert.equal(started.length, 1, 'an idle thread gets the next job');
  started[0].die();
  await time.advance(1);
  await run();
  assert.deepEqual([started.length, deaths], [2, ['the cleaning thread ended']]);
  threads.releaseIdle();
  assert.ok(started[1].isOver);
});

test('a fault inside the thread that nobody expected: the log is left alone, the thread is not dead', async () => {
  const threads: SimulatedThread[] = [];
  const log = await filled({ inThreads: threads });
  log.startThread = undefined;
  const { cleaner } = log.directories;
  const { disk } = log.ports;
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    if (path.endsWith('.cleaned')) throw new TypeError('a fault of the program');
    return open(path, mode);
  };
  await log.pass(3_000);
  assert.match(cleaner.problemOf(log.log) ?? '', /a fault of the program/);
  assert.equal(cleaner.metrics().cleaner.DeadThreadCount, 0);
  log.append(['late=1']);
  await mustBeWhole(log);
});

test('a device that fails under a cleaning in a thread ends its directory, as it does elsewhere', async () => {
  const log = await filled({
    inThreads: [],
    disk: { fault: ({ path, kind }) => (path.endsWith('.cleaned') && kind === 'sync' ? 'EIO' : undefined) },
  });
  await log.pass(3_000);
  assert.match(log.directories.offlineReason('topic', 0) ?? '', /EIO/);
});

test('a log that is moved to another directory at any moment of its cleaning is whole there, and is cleaned there', async () => {
  for (let moment = 0; moment < 60; moment++) {
    const log = new CleanerWorld(`move ${moment}`, {
      settings: { segmentBytes: SEGMENT_BYTES },
      disk: { readLatencyMs: 1, syncLatencyMs: 1 },
    });
    log.paths = [DIRECTORY, OTHER_DIRECTORY];
    await log.open();
    await fill(log);
    log.directories.cleaner.cleanDue();
    await log.pass(moment);
    log.directories.moveTo({ topic: 'topic', partition: 0 }, OTHER_DIRECTORY);
    await log.pass(moment % 7);
    // It is not cleaned while it is copied.
    assert.equal(log.directories.cleaner.runningCount, 0);
    log.append(['late=1']);
    await log.pass(3_000);
    assert.equal(log.log.directory, OTHER_DIRECTORY, `after ${moment} ms`);
    await mustBeWhole(log);
    assert.ok((await log.texts()).includes(`${2 * BATCHES}:late=1`));
    await log.rollAndClean();
    mustBeClean(await log.texts());
    await log.restart('lose');
    assert.equal(log.directories.offlineReason('topic', 0), undefined);
    assert.equal(log.log.directory, OTHER_DIRECTORY);
    await mustBeWhole(log);
    const left = log.ports.disk.list(OTHER_DIRECTORY).filter((name) => name.endsWith('-future'));
    assert.deepEqual([left, log.files()], [[], []]);
  }
});
