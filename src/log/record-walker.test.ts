import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../protocol/records.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { RecordWalker } from './record-walker.ts';

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 45 })),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 20 }), value: bytes }), { maxLength: 3 }),
});

function walk(walker: RecordWalker, batch: Buffer): string | undefined {
  return walker.walk(batch, header.BATCH_HEADER_BYTES, batch.length, {
    recordCount: header.recordCount(batch),
    baseTimestamp: header.baseTimestamp(batch),
    recordBytesMax: Infinity,
    keyRequired: false,
    timestampMin: -Infinity,
    timestampMax: Infinity,
    refuseEachTimestamp: false,
  });
}

test('any batch is walked to its end and its largest timestamp found', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const walker = new RecordWalker();
      assert.equal(walk(walker, buildBatch({ records })), undefined);
      assert.equal(walker.areOffsetsContiguous, true);
      const timestamps = records.map(({ timestamp }) => timestamp);
      assert.equal(walker.maxTimestamp, Math.max(...timestamps));
      if (walker.maxTimestamp >= 0) {
        assert.equal(walker.maxTimestampIndex, timestamps.indexOf(walker.maxTimestamp));
      }
    }),
  );
});

test('bytes that the full reader refuses are refused by the walker, and the other way round', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (records, where, flip) => {
        const batch = buildBatch({ records });
        const position = header.BATCH_HEADER_BYTES + (where % (batch.length - header.BATCH_HEADER_BYTES));
        batch[position] ^= flip;
        const walker = new RecordWalker();
        const problem = walk(walker, batch);
        let refusal: string | undefined;
        try {
          forEachRecord(batch, () => {}, { maxDecompressedBytes: 1e6 });
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
          refusal = error.message;
        }
        // Offset deltas are the walker's to report, not to refuse; so are lengths below -1, which are null to Kafka.
        if (refusal !== undefined && /offset delta|varint|varlong|int64/.test(refusal)) return;
        assert.equal(problem === undefined, refusal === undefined, `${problem} / ${refusal}`);
      },
    ),
    { numRuns: 1000 },
  );
});
