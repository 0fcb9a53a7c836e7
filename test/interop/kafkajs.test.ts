// kafkajs against a running broker.
import { KAFKAJS_LACKS, startKafkajs } from './kafkajs-peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { scenario } from './scenario.ts';

scenario({ name: 'kafkajs', start: startKafkajs, observe: startPlatformatic, lacks: KAFKAJS_LACKS });
