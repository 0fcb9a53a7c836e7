// Our own client against a running broker; @platformatic/kafka observes.
import { startHeadraceClient } from './headrace-peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { scenario } from './scenario.ts';

scenario({
  name: 'headrace/client',
  start: startHeadraceClient,
  observe: startPlatformatic,
  styles: [{ strategy: 'range' }, { strategy: 'roundrobin' }],
});
