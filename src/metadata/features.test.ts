import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterImage } from '../../test/cluster-images.ts';
import { apiVersionsFeatures, DEFAULT_LEVELS, SUPPORTED_FEATURES } from './features.ts';

test('clients are told what is supported, what is finalized, and since when', () => {
  const levels = Object.fromEntries(DEFAULT_LEVELS.map(({ name, level }) => [name, level]));
  const image = clusterImage({ features: { ...levels, 'gone.version': 0 } });
  const { finalizedFeatures, finalizedFeaturesEpoch, supportedFeatures } = apiVersionsFeatures(image, 4);
  assert.deepEqual(
    finalizedFeatures.map(({ name, maxVersionLevel }) => ({ name, level: maxVersionLevel })),
    DEFAULT_LEVELS,
  );
  assert.equal(finalizedFeaturesEpoch, image.revision);
  for (const { name, maxVersion } of supportedFeatures) {
    assert.equal(SUPPORTED_FEATURES.find((feature) => feature.name === name)?.max, maxVersion);
    assert.ok(maxVersion > 0, name);
  }
});

test('item 1: below version 4 nothing with minimum 0 is supported, for old clients fail over it', () => {
  const { supportedFeatures } = apiVersionsFeatures(clusterImage({}), 3);
  assert.deepEqual(supportedFeatures, [{ name: 'metadata.version', minVersion: 7, maxVersion: 33 }]);
});

test('before anything is finalized the epoch says so', () => {
  const { finalizedFeatures, finalizedFeaturesEpoch } = apiVersionsFeatures(clusterImage({}), 4);
  assert.deepEqual([finalizedFeatures, finalizedFeaturesEpoch], [[], -1]);
});
