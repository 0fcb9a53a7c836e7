// Installs every foreign client that the interop suites use, ahead of them: `node scripts/peer-install.ts`.
import { installEtcd } from './peer-etcd.ts';
import { installGo } from './peer-go.ts';
import {
  installKafkaClients,
  installKafkaStorage,
  installKafkaStreams,
  installKafkaTools,
  KAFKA_TOOLS_VERSION,
} from './peer-java.ts';
import { installKcat } from './peer-kcat.ts';
import { installNest } from './peer-nest.ts';
import { installPython } from './peer-python.ts';

const PEERS: Record<string, () => Promise<string>> = {
  'Kafka tools': installKafkaTools,
  'Kafka broker': installKafkaStorage,
  'Kafka clients': () => installKafkaClients(),
  'older Kafka clients': () => installKafkaClients(KAFKA_TOOLS_VERSION),
  'Kafka Streams': installKafkaStreams,
  kcat: installKcat,
  'confluent-kafka and aiokafka': installPython,
  sarama: () => installGo('sarama'),
  'kafka-go': () => installGo('kafka-go'),
  'franz-go': () => installGo('franz-go'),
  NestJS: installNest,
  etcd: installEtcd,
};

for (const [name, install] of Object.entries(PEERS)) {
  try {
    await install();
    console.log(`${name}: ready`);
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
