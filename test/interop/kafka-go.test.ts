// github.com/segmentio/kafka-go against a running broker.
import { installGo } from '../../scripts/peer-go.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startProcessPeer } from './process-peer.ts';
import { scenario } from './scenario.ts';

const { installed: program, skip } = await obtain(() => installGo('kafka-go'));

scenario({
  name: 'segmentio/kafka-go',
  skip,
  start: async (bootstrap) => startProcessPeer([program!], bootstrap),
  observe: startPlatformatic,
  lacks: ['emptyBytes'],
});
