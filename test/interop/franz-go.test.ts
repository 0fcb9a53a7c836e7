// github.com/twmb/franz-go against a running broker.
import { installGo } from '../../scripts/peer-go.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startProcessPeer } from './process-peer.ts';
import { scenario } from './scenario.ts';
import { served, servedStyles } from './served.ts';

const { installed: program, skip } = await obtain(() => installGo('franz-go'));

scenario({
  name: 'twmb/franz-go',
  skip,
  start: async (bootstrap) => startProcessPeer([program!], bootstrap),
  observe: startPlatformatic,
  styles: servedStyles(await served(), 'twmb/franz-go', [
    { strategy: 'range' },
    { strategy: 'cooperative-sticky' },
    { protocol: 'consumer' },
  ]),
});
