// @platformatic/kafka against a running broker; kafkajs is the observer.
import { startKafkajs } from './kafkajs-peer.ts';
import { PLATFORMATIC_LACKS, startPlatformatic } from './platformatic-peer.ts';
import { scenario } from './scenario.ts';

scenario({
  name: '@platformatic/kafka',
  start: startPlatformatic,
  observe: startKafkajs,
  // kafkajs, the observer, has no snappy and no lz4
  lacks: [...PLATFORMATIC_LACKS],
});
