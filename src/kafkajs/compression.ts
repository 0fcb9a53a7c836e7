/** Compression by KafkaJS's numbers. All four codecs are built in, so those that applications bring are not called. */
import { COMPRESSION_TYPES, type CompressionType } from '../protocol/record-batch.ts';
import { CompressionTypes } from './constants.ts';
import { KafkaJSNotImplemented } from './errors.ts';

/** Here so that assigning codecs does no harm. */
// oxlint-disable-next-line typescript/no-explicit-any
export const CompressionCodecs: Record<number, () => any> = Object.fromEntries(
  [CompressionTypes.GZIP, CompressionTypes.Snappy, CompressionTypes.LZ4, CompressionTypes.ZSTD].map(
    (type) => [type, () => ({ compress: builtIn, decompress: builtIn })],
  ),
);

function builtIn(): Promise<never> {
  return Promise.reject(
    new KafkaJSNotImplemented('the codecs of headrace/kafkajs are not called one by one'),
  );
}

/** Throws KafkaJSNotImplemented for a number that is none. */
export function compressionOf(type: number | undefined): CompressionType {
  // KafkaJS takes the lowest three bits, as they stand in a batch.
  const found = COMPRESSION_TYPES[(type ?? CompressionTypes.None) & 7];
  if (found === undefined) throw new KafkaJSNotImplemented(`compression ${type} is not known`);
  return found;
}
