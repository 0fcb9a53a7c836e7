// aiokafka against a running broker.
import { installPython } from '../../scripts/peer-python.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startPython } from './python-peer.ts';
import { scenario } from './scenario.ts';

const { installed: python, skip } = await obtain(installPython);

scenario({
  name: 'aiokafka',
  skip,
  start: (bootstrap) => startPython({ python: python!, client: 'aiokafka' }, bootstrap),
  observe: startPlatformatic,
  styles: [{ strategy: 'sticky' }],
  lacks: ['emptyRecord'],
});
