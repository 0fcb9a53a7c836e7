/**
 * What does it cost to decode and encode the messages that brokers handle most, to open record batches, and to decompress
 * them? `node bench/codec.ts [PATTERN]`: each line is a name and its rate for a second of processor time,
 * best of five: other work on the machine counts for less that way.
 */
import { codec } from '../src/protocol/compile.ts';
import { compress, decompress } from '../src/protocol/compression.ts';
import { crc32c, crc32cPortable } from '../src/protocol/crc32c.ts';
import { FetchRequest } from '../src/protocol/messages/01-fetch.ts';
import { MetadataResponse } from '../src/protocol/messages/03-metadata.ts';
import { ProduceRequest, ProduceResponse } from '../src/protocol/messages/00-produce.ts';
import type { CompressionType } from '../src/protocol/record-batch.ts';
import { RecordWalker } from '../src/log/record-walker.ts';
import { buildBatch, forEachRecord, openRecords } from '../src/protocol/records.ts';
import type { Message } from '../src/protocol/schema.ts';
import { Reader, Writer } from '../src/protocol/wire.ts';
import { sequence, textValue } from './lib/load/values.ts';

const ROUND_MS = 200;
const ROUNDS = 5;
const pattern = process.argv[2] ?? '';

function measure(name: string, unit: { name: string; perRun: number }, run: () => void): void {
  if (!name.includes(pattern)) return;
  let best = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const until = performance.now() + ROUND_MS;
    const before = process.cpuUsage();
    let runs = 0;
    while (performance.now() < until) {
      for (let n = 0; n < 10; n++) run();
      runs += 10;
    }
    const { user, system } = process.cpuUsage(before);
    if (round > 0) best = Math.max(best, (runs * unit.perRun * 1e6) / (user + system));
  }
  console.log(`${name.padEnd(48)} ${best.toFixed(best < 100 ? 2 : 0).padStart(12)} ${unit.name}/s`);
}

function messages<R, W>(name: string, message: Message<R, W>, version: number, value: W): void {
  const { read, write } = codec(message, version);
  const writer = new Writer();
  write(writer, value);
  const bytes = writer.toBuffer();
  const unit = { name: 'messages', perRun: 1 };
  measure(`${name} v${version}, ${bytes.length} bytes, decode`, unit, () => read(new Reader(bytes)));
  measure(`${name} v${version}, ${bytes.length} bytes, encode`, unit, () => {
    const fresh = new Writer();
    write(fresh, value);
    fresh.finish();
  });
}

const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
const record = (n: number) => ({
  key: Buffer.from(`key-${n}`),
  value: Buffer.from(
    `{"id":${n},"user":"user ${(n * 7919) % 1000}","amount":${(n * 104729) % 99991}}`.padEnd(100, 'x'),
  ),
  timestamp: 1_700_000_000_000 + n,
});
const batch = buildBatch({ records: times(160, record) });

messages('Produce request, 1 partition', ProduceRequest, 9, {
  transactionalId: null,
  acks: -1,
  timeoutMs: 30_000,
  topicData: [
    { name: 'some-topic', topicId: '\0'.repeat(16), partitionData: [{ index: 0, records: batch }] },
  ],
});
messages('Produce response, 1 partition', ProduceResponse, 9, {
  responses: [
    {
      name: 'some-topic',
      topicId: '\0'.repeat(16),
      partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 12345, recordErrors: [] }],
    },
  ],
});
messages('Fetch request, 16 partitions', FetchRequest, 12, {
  maxWaitMs: 500,
  minBytes: 1,
  topics: [
    {
      topic: 'some-topic',
      topicId: '\0'.repeat(16),
      partitions: times(16, (n) => ({
        partition: n,
        fetchOffset: 1_000_000 + n,
        partitionMaxBytes: 1 << 20,
      })),
    },
  ],
  forgottenTopicsData: [],
});
messages('Metadata response, 10 topics of 10', MetadataResponse, 12, {
  throttleTimeMs: 0,
  brokers: times(3, (n) => ({ nodeId: n, host: `broker-${n}.example.com`, port: 9092, rack: null })),
  clusterId: 'abcdefghijklmnopqrstuv',
  controllerId: 1,
  errorCode: 0,
  topics: times(10, (n) => ({
    errorCode: 0,
    name: `topic-number-${n}`,
    topicId: String.fromCharCode(n).repeat(16),
    isInternal: false,
    partitions: times(10, (index) => ({
      errorCode: 0,
      partitionIndex: index,
      leaderId: index % 3,
      leaderEpoch: 5,
      replicaNodes: [0, 1, 2],
      isrNodes: [0, 1, 2],
      offlineReplicas: [],
    })),
  })),
});

const limits = { maxDecompressedBytes: 1 << 24 };
const records = { name: 'records', perRun: 160 };
measure('records of 100 bytes, visit', records, () => forEachRecord(batch, () => {}, limits));
measure('records of 100 bytes, visit and view', records, () => {
  forEachRecord(batch, (one) => void (one.key!.length + one.value!.length), limits);
});
const built = times(160, record);
measure('records of 100 bytes, build', records, () => void buildBatch({ records: built }));

const data = Buffer.concat(times(1200, (n) => record(n).value)).subarray(0, 100_000);
const megabytes = { name: 'MB', perRun: data.length / 1e6 };
measure('crc32c of 100 KB', megabytes, () => void crc32c(data));
measure('crc32c in JavaScript', megabytes, () => void crc32cPortable(data));
for (const type of ['gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionType[]) {
  const packed = compress(type, data);
  const ratio = (data.length / packed.length).toFixed(1);
  measure(`${type} of 100 KB, compress (ratio ${ratio})`, megabytes, () => void compress(type, data));
  measure(
    `${type} of 100 KB, decompress`,
    megabytes,
    () => void decompress(type, packed, { maxBytes: 1 << 20 }),
  );
}

// Batches as the broker validates them: opened where the one before was, and walked. Different ones in turn: of a batch that
// comes again at once the processor knows every branch.
const walker = new RecordWalker();
for (const type of ['gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionType[]) {
  for (const [valueBytes, batchBytes] of [
    [100, 1 << 14],
    [1024, 1 << 14],
    [100, 1 << 20],
    [1024, 1 << 20],
  ]) {
    const next = sequence(1);
    const count = Math.floor(batchBytes / (valueBytes + 10));
    const one = () => ({ key: null, value: textValue(valueBytes, next), timestamp: 1e12 });
    const batches = times((1 << 20) / batchBytes, () =>
      buildBatch({ records: times(count, one), compression: type }),
    );
    const perRun = batches.reduce((sum, each) => sum + openRecords(each, limits).length, 0) / 1e6;
    const rules = {
      recordCount: count,
      baseTimestamp: 1e12,
      recordBytesMax: batchBytes,
      keyRequired: false,
      timestampMin: -Infinity,
      timestampMax: Infinity,
      refuseEachTimestamp: false,
    };
    const name = `${type}, ${valueBytes} B in ${batchBytes >> 10} KiB, open and walk`;
    measure(name, { name: 'MB', perRun }, () => {
      for (const each of batches) {
        const opened = openRecords(each, limits, walker.decompressor);
        const problem = walker.walk(opened, 0, opened.length, rules);
        if (problem !== undefined) throw new Error(problem);
      }
    });
  }
}
