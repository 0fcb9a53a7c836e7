// @platformatic/kafka against a running broker. librdkafka observes, as kafkajs lacks codecs.
import { installPython } from '../../scripts/peer-python.ts';
import { obtain } from './peer.ts';
import { PLATFORMATIC_LACKS, startPlatformatic } from './platformatic-peer.ts';
import { startPython } from './python-peer.ts';
import { scenario } from './scenario.ts';
import { served, servedStyles } from './served.ts';

const { installed: python, skip } = await obtain(installPython);

scenario({
  name: '@platformatic/kafka',
  skip,
  start: startPlatformatic,
  observe: (bootstrap) => startPython({ python: python!, client: 'confluent' }, bootstrap),
  lacks: PLATFORMATIC_LACKS,
  styles: servedStyles(await served(), '@platformatic/kafka', [{ protocol: 'consumer' }]),
});
