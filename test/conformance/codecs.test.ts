/** Compression and record batches against Kafka's own code: what either side makes, the other reads. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { compress, decompress } from '../../src/protocol/compression.ts';
import * as batches from '../../src/protocol/record-batch.ts';
import { buildBatch, forEachRecord, type NewRecord } from '../../src/protocol/records.ts';
import { randomBytes, seeded } from './generate.ts';
import { startJava } from './java-program.ts';
import { orSkip } from './kafka-jars.ts';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const SIZES = [0, 1, 100, 65_537, 1 << 20];
const BATCHES = 200;
const LIMITS = { maxDecompressedBytes: 1 << 24 };

const kafka = await orSkip(() => startJava('Codecs'));
after(async () => {
  if ('have' in kafka) await kafka.have.close();
});
const seed = Number(process.env['HEADRACE_SEED'] ?? Date.now() % 2 ** 31);
const random = seeded(seed);

function utf(text: string): Buffer {
  const size = Buffer.alloc(2);
  size.writeInt16BE(Buffer.byteLength(text), 0);
  return Buffer.concat([size, Buffer.from(text)]);
}
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value, 0);
  return bytes;
}

async function ask(operation: string, ...parts: Buffer[]): Promise<Buffer> {
  assert('have' in kafka);
  const answer = await kafka.have.ask(Buffer.concat([utf(operation), ...parts]));
  if (answer[0] !== 0) throw new Error(`Kafka: ${answer.toString('utf8', 1)}`);
  return answer.subarray(1);
}

/** Data of each size that compresses well, badly and somewhat. */
function samples(): Buffer[] {
  const words = ['topic', 'partition', 'offset', 'leader', '{"id":', '}', ', '];
  return SIZES.flatMap((size) => {
    let text = '';
    while (text.length < size)
      text += words[Math.floor(random() * words.length)] + Math.floor(random() * 100);
    return [Buffer.alloc(size, 'ab'), randomBytes(size, random), Buffer.from(text.slice(0, size))];
  });
}

for (const type of CODECS) {
  test(`${type}: what we compress Kafka reads, and what Kafka compresses we read`, async (t) => {
    if ('skip' in kafka) return t.skip(kafka.skip);
    for (const data of samples()) {
      const theirs = await ask('compress', utf(type), data);
      assert(
        decompress(type, theirs, { maxBytes: data.length }).equals(data),
        `${data.length} bytes of Kafka`,
      );
      const ours = compress(type, data);
      assert((await ask('decompress', utf(type), ours)).equals(data), `${data.length} bytes of ours`);
    }
  });
}

test('lz4: frames of every block size, level and with block checksums are read', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  for (const data of samples()) {
    for (const blockSize of [4, 5, 6, 7]) {
      for (const hasChecksum of [0, 1]) {
        const level = int32(1 + Math.floor(random() * 17));
        const frame = await ask('lz4', int32(blockSize), level, Buffer.from([hasChecksum]), data);
        assert(decompress('lz4', frame, { maxBytes: data.length }).equals(data));
      }
    }
  }
});

/** What a decoder makes of bytes, or that it makes nothing of them. */
async function bothRead(
  type: (typeof CODECS)[number],
  bytes: Buffer,
): Promise<{ kafka: string; ours: string }> {
  const printed = async (read: () => Buffer | Promise<Buffer>): Promise<string> => {
    try {
      return (await read()).toString();
    } catch {
      return 'refused';
    }
  };
  return {
    kafka: await printed(() => ask('decompress', utf(type), bytes)),
    ours: await printed(() => decompress(type, bytes, { maxBytes: 1000 })),
  };
}

test('odd but legal streams are read as Kafka reads them', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const pack = (type: (typeof CODECS)[number], text: string): Buffer => compress(type, Buffer.from(text));
  const cases: [(typeof CODECS)[number], string, Buffer, string][] = [
    [
      'gzip',
      'several members',
      Buffer.concat([pack('gzip', 'one '), pack('gzip', ''), pack('gzip', 'two')]),
      'one two',
    ],
    ['gzip', 'zeros after the end', Buffer.concat([pack('gzip', 'one'), Buffer.alloc(40)]), 'one'],
    ['gzip', 'cut off', pack('gzip', 'one').subarray(0, -1), 'refused'],
    ['gzip', 'no bytes', Buffer.alloc(0), 'refused'],
    ['zstd', 'several frames', Buffer.concat([pack('zstd', 'one '), pack('zstd', 'two')]), 'one two'],
    ['zstd', 'cut off', pack('zstd', 'one').subarray(0, -1), 'refused'],
    ['snappy', 'raw', pack('snappy', 'one').subarray(20), 'one'],
    ['snappy', 'two framings', Buffer.concat([pack('snappy', 'one '), pack('snappy', 'two')]), 'one two'],
    ['snappy', 'a framing of nothing', pack('snappy', ''), ''],
    ['snappy', 'cut off', pack('snappy', 'one').subarray(0, -1), 'refused'],
    ['snappy', 'no bytes', Buffer.alloc(0), 'refused'],
    ['lz4', 'bytes after the frame', Buffer.concat([pack('lz4', 'one'), Buffer.from('two')]), 'one'],
    ['lz4', 'two frames', Buffer.concat([pack('lz4', 'one'), pack('lz4', 'two')]), 'one'],
    ['lz4', 'cut off', pack('lz4', 'one').subarray(0, -1), 'refused'],
    ['lz4', 'no bytes', Buffer.alloc(0), 'refused'],
  ];
  const found: Record<string, { kafka: string; ours: string }> = {};
  const expected: typeof found = {};
  for (const [type, what, bytes, result] of cases) {
    found[`${type}, ${what}`] = await bothRead(type, bytes);
    expected[`${type}, ${what}`] = { kafka: result, ours: result };
  }
  assert.deepEqual(found, expected);
});

/** The same lines as Codecs.java prints. */
function dump(bytes: Buffer): string {
  let text = '';
  const hex = (value: Buffer | null): string => (value === null ? 'null' : `'${value.toString('hex')}'`);
  batches.forEachBatch(bytes, (at, size) => {
    assert.equal(batches.checkBatch(bytes, at), undefined);
    const batch = bytes.subarray(at, at + size);
    const header = [
      batches.baseOffset(batch),
      batches.lastOffset(batch),
      batches.batchSizeBytes(batch),
      batches.partitionLeaderEpoch(batch),
      batches.compressionType(batch),
      batches.hasLogAppendTime(batch) ? 'LogAppendTime' : 'CreateTime',
      batches.maxTimestamp(batch),
      batches.producerId(batch),
      batches.producerEpoch(batch),
      batches.baseSequence(batch),
      batches.lastSequence(batch),
      batches.isTransactional(batch),
      batches.isControl(batch),
      batches.recordCount(batch),
      batches.deleteHorizonMs(batch) ?? 'none',
    ];
    text += `batch ${header.join(' ')}\n`;
    forEachRecord(
      batch,
      (record) => {
        const fields = [
          record.offset,
          record.timestamp,
          record.sizeBytes,
          hex(record.key),
          hex(record.value),
        ];
        const headers = record.headers.map(
          ({ key, value }) => ` ${Buffer.from(key).toString('hex')}=${hex(value)}`,
        );
        text += `record ${fields.join(' ')}${headers.join('')}\n`;
      },
      LIMITS,
    );
  });
  return text;
}

test('batches that Kafka builds hold to us what they hold to Kafka', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  t.diagnostic(`HEADRACE_SEED=${seed}`);
  for (let n = 0; n < BATCHES; n++) {
    const number = Buffer.alloc(8);
    number.writeBigInt64BE(BigInt(seed + n), 0);
    const answer = await ask('batch', number, utf(batches.COMPRESSION_TYPES[n % 5]));
    const size = answer.readInt32BE(0);
    assert.equal(dump(answer.subarray(4, 4 + size)), answer.toString('utf8', 4 + size));
  }
});

test('batches that we build hold to Kafka what they hold to us', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const below = (limit: number): number => Math.floor(random() * limit);
  const bytes = (): Buffer | null => [null, Buffer.alloc(0), randomBytes(below(300), random)][below(3)];
  for (let n = 0; n < BATCHES; n++) {
    const timestamp = (): number => 1_700_000_000_000 + below(2 ** 32) - 2 ** 31;
    let offsetDelta = -1;
    const records: NewRecord[] = Array.from({ length: below(20) }, () => ({
      key: bytes(),
      value: bytes(),
      headers: Array.from({ length: below(3) }, (_, i) => ({ key: `hé${i}`, value: bytes() })),
      timestamp: timestamp(),
      offsetDelta: (offsetDelta += 1 + below(3)),
    }));
    const batch = buildBatch({
      records,
      baseOffset: below(2 ** 50),
      lastOffsetDelta: offsetDelta + 1 + below(3),
      compression: batches.COMPRESSION_TYPES[n % 5],
      leaderEpoch: below(2 ** 31),
      ...(below(2) === 0
        ? {}
        : { producerId: below(2 ** 50), producerEpoch: below(2 ** 15), baseSequence: below(2 ** 31) }),
      isTransactional: below(2) === 0,
      ...(below(4) === 0 ? { deleteHorizonMs: timestamp() } : {}),
      ...(below(4) === 0 ? { hasLogAppendTime: true, maxTimestamp: timestamp() } : {}),
    });
    assert.equal((await ask('dump', batch)).toString(), dump(batch));
  }
});
