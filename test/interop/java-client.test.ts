// Apache Kafka's Java client 4.4.0 against a running broker: the common scenario, then what only this client can be asked.
import { installKafkaClients } from '../../scripts/peer-java.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startJava } from './java-peer.ts';
import { scenario } from './scenario.ts';
import { served, servedStyles } from './served.ts';
import { javaExtras } from './java-extras.ts';

const { installed: classpath, skip } = await obtain(() => installKafkaClients());

const serves = await served();

scenario({
  name: 'Kafka Java client',
  skip,
  start: (bootstrap) => startJava(classpath!, bootstrap),
  observe: startPlatformatic,
  styles: servedStyles(serves, 'Kafka Java client', [
    { strategy: 'roundrobin' },
    { strategy: 'cooperative-sticky' },
    { protocol: 'consumer', assignor: 'uniform' },
    { protocol: 'consumer', assignor: 'range' },
  ]),
});

javaExtras({ skip, serves, start: (bootstrap) => startJava(classpath!, bootstrap) });
