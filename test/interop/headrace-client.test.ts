// Our own client against a running broker; @platformatic/kafka observes.
import { startHeadraceClient } from './headrace-peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { scenario } from './scenario.ts';
import { served, servedStyles } from './served.ts';

scenario({
  name: 'headrace/client',
  start: startHeadraceClient,
  observe: startPlatformatic,
  styles: [
    { strategy: 'range' },
    { strategy: 'roundrobin' },
    ...servedStyles(await served(), 'headrace/client', [
      { protocol: 'consumer', assignor: 'uniform' },
      { protocol: 'consumer', assignor: 'range' },
    ]),
  ],
});
