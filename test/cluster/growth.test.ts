// A cluster grows from three brokers to five and shrinks back, while clients write with acks=all; the first attempt is stopped
// and called back. Nothing that was acknowledged is lost, in order and once, and the move tells how far it is.
//
// HEADRACE_GROWTH=long: 200 partitions and 1 GB, with Kafka's own producer beside ours.
import { test } from 'node:test';
import { installEtcd } from '../../scripts/peer-etcd.ts';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { obtain } from '../interop/peer.ts';
import { growAndShrink, LONG, SHORT } from './growth.ts';

const isLong = process.env['HEADRACE_GROWTH'] === 'long';
const { installed: etcd, skip } = await obtain(installEtcd);

test(
  'three brokers become five and three again under load, and nothing is lost',
  { skip: skip ?? false },
  async () => {
    if (isLong) await growAndShrink({ etcd: etcd!, scale: LONG, kafkaTools: await installKafkaTools() });
    else await growAndShrink({ etcd: etcd!, scale: SHORT });
  },
);
