// confluent-kafka for Python (librdkafka) against a running broker.
import { installPython } from '../../scripts/peer-python.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startPython } from './python-peer.ts';
import { scenario } from './scenario.ts';
import { served, servedStyles } from './served.ts';

const { installed: python, skip } = await obtain(installPython);

scenario({
  name: 'confluent-kafka',
  skip,
  start: (bootstrap) => startPython({ python: python!, client: 'confluent' }, bootstrap),
  observe: startPlatformatic,
  styles: servedStyles(await served(), 'confluent-kafka', [
    { strategy: 'cooperative-sticky' },
    { protocol: 'consumer' },
  ]),
});
