// github.com/IBM/sarama against a running broker.
import { installGo } from '../../scripts/peer-go.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startProcessPeer } from './process-peer.ts';
import { scenario } from './scenario.ts';

const { installed: program, skip } = await obtain(() => installGo('sarama'));

scenario({
  name: 'IBM/sarama',
  skip,
  start: async (bootstrap) => startProcessPeer([program!], bootstrap),
  observe: startPlatformatic,
  styles: [{ strategy: 'sticky' }],
});
