/**
 * What the package offers as `headrace/kafkajs`: the API of KafkaJS 2 over headrace/client, so that an application changes one
 * import. What is different is in docs/from-kafkajs.md.
 *
 *     import { Kafka } from 'headrace/kafkajs';
 */
import { AssignerProtocol, PartitionAssigners } from './assigners.ts';
import { CompressionCodecs } from './compression.ts';
import * as constants from './constants.ts';
import * as errors from './errors.ts';
import { Kafka } from './kafka.ts';
import { Partitioners } from './partitioners.ts';

export * from './admin-types.ts';
export { AssignerProtocol, PartitionAssigners } from './assigners.ts';
export { CompressionCodecs } from './compression.ts';
export * from './constants.ts';
export * from './errors.ts';
export { Kafka } from './kafka.ts';
export { Partitioners } from './partitioners.ts';
export * from './types.ts';

/** For `import kafkajs from`, as CommonJS modules are often imported. */
const kafkajs = {
  Kafka,
  AssignerProtocol,
  PartitionAssigners,
  CompressionCodecs,
  Partitioners,
  ...constants,
  ...errors,
};
export default kafkajs;
