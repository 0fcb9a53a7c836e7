import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { Errors } from '../../protocol/errors.ts';
import { updateFeatures } from './57-update-features.ts';

const METADATA_VERSION = { feature: 'metadata.version', maxVersionLevel: 33, upgradeType: 1 };

async function update(bench: BrokerBench, version: number, ...featureUpdates: object[]) {
  const { errorCode, errorMessage, results } = await bench.call(updateFeatures, version, { featureUpdates });
  return { errorCode, errorMessage, results };
}

test('a level that is what it was is no error, and results are told up to version 1', async () => {
  const bench = await brokerBench();
  const results = [{ feature: 'metadata.version', errorCode: 0, errorMessage: 'NONE' }];
  for (const version of [0, 1, 2]) {
    assert.deepEqual(await update(bench, version, METADATA_VERSION), {
      errorCode: Errors.NONE,
      errorMessage: null,
      results: version <= 1 ? results : [],
    });
  }
});

test('one feature that cannot be fails them all, in every version', async () => {
  const bench = await brokerBench();
  const before = bench.image.revision;
  for (const version of [0, 1, 2]) {
    const beyond = { feature: 'share.version', maxVersionLevel: 9, upgradeType: 1 };
    const { errorCode, errorMessage } = await update(bench, version, METADATA_VERSION, beyond);
    assert.equal(errorCode, Errors.INVALID_UPDATE_VERSION);
    const start =
      'The update failed for all features since the following feature had an error: ' +
      'Invalid update version 9 for feature share.version. ';
    assert.equal(errorMessage.slice(0, start.length), start);
  }
  assert.equal(bench.image.revision, before);
});

test('version 0 says by a flag what later versions say by a type', async () => {
  const bench = await brokerBench();
  const lower = { feature: 'metadata.version', maxVersionLevel: 32 };
  const [kept, forced] = [
    await update(bench, 0, { ...lower, allowDowngrade: false }),
    await update(bench, 0, { ...lower, allowDowngrade: true }),
  ];
  assert.match(kept.errorMessage, /Can't downgrade the version of this feature without/);
  assert.match(forced.errorMessage, /Refusing to perform the requested downgrade/);
});

test('it needs ALTER on the cluster', async () => {
  const bench = await brokerBench();
  bench.permit = () => false;
  assert.equal((await update(bench, 2, METADATA_VERSION)).errorCode, Errors.CLUSTER_AUTHORIZATION_FAILED);
});
