import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterImage, effects } from '../../../test/cluster-images.ts';
import { Errors } from '../../protocol/errors.ts';
import { DEFAULT_LEVELS, SUPPORTED_FEATURES } from '../features.ts';
import { UPGRADE_TYPE, updateFeatures, type FeatureUpdate } from './feature-levels.ts';

const NEWEST = Object.fromEntries(DEFAULT_LEVELS.map(({ name, level }) => [name, level]));

function update(current: Record<string, number>, ...updates: FeatureUpdate[]) {
  return updateFeatures(clusterImage({ features: current }), updates, 1);
}

test('a level within the supported range is raised', () => {
  const decision = update(
    { 'metadata.version': 25 },
    { name: 'metadata.version', level: 33, upgradeType: UPGRADE_TYPE.UPGRADE },
  );
  assert.deepEqual(
    [effects(decision), decision.result.errorCode],
    [{ features: { levels: [{ name: 'metadata.version', level: 33 }] } }, Errors.NONE],
  );
});

test('one update that is wrong stops them all, and says why', () => {
  const { UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, UNKNOWN } = UPGRADE_TYPE;
  const message = (name: string, level: number, upgradeType: number): string | null => {
    const good = { name: 'metadata.version', level: 33, upgradeType: UPGRADE };
    const decision = update(NEWEST, good, { name, level, upgradeType });
    assert.deepEqual(
      [decision.operations.length, decision.result.errorCode],
      [0, Errors.INVALID_UPDATE_VERSION],
    );
    return decision.result.errorMessage;
  };
  const prefix = (name: string, level: number) => `Invalid update version ${level} for feature ${name}. `;
  const metadata = 'metadata.version';
  assert.deepEqual(
    [
      message(metadata, 33, UNKNOWN),
      message(metadata, 33, 9),
      message(metadata, -1, UPGRADE),
      message(metadata, 34, UPGRADE),
      message(metadata, 6, UPGRADE),
      message('share.version', 1, UPGRADE),
      message('no.such.feature', 1, UPGRADE),
      message(metadata, 32, UPGRADE),
      message(metadata, 32, SAFE_DOWNGRADE),
      message(metadata, 32, UNSAFE_DOWNGRADE),
    ],
    [
      `${prefix(metadata, 33)}The controller does not support the given upgrade type.`,
      `${prefix(metadata, 33)}The controller does not support the given upgrade type.`,
      `${prefix(metadata, -1)}A feature version cannot be less than 0.`,
      `${prefix(metadata, 34)}Local controller 1 only supports versions 7-33`,
      `${prefix(metadata, 6)}Local controller 1 only supports versions 7-33`,
      `${prefix('share.version', 1)}Local controller 1 does not support this feature.`,
      `${prefix('no.such.feature', 1)}Local controller 1 does not support this feature.`,
      `${prefix(metadata, 32)}Can't downgrade the version of this feature without setting the upgrade type to ` +
        'either safe or unsafe downgrade.',
      'Unsupported metadata.version downgrade from 33 to 32. Refusing to perform the requested downgrade because ' +
        'it might delete metadata information.',
      'Unsupported metadata.version downgrade from 33 to 32. Unsafe metadata downgrade is not supported in this ' +
        'version.',
    ],
  );
});

test('a downgrade may not raise a level', () => {
  const { result } = update(
    { 'metadata.version': 25 },
    { name: 'metadata.version', level: 33, upgradeType: UPGRADE_TYPE.SAFE_DOWNGRADE },
  );
  assert.equal(
    result.errorMessage,
    "Invalid update version 33 for feature metadata.version. Can't downgrade to a newer version.",
  );
});

test('a new cluster finalizes exactly what is supported', () => {
  for (const { name, level } of DEFAULT_LEVELS) {
    assert.equal(SUPPORTED_FEATURES.find((feature) => feature.name === name)?.max, level);
  }
  assert.equal(NEWEST['metadata.version'], 33);
});
