/** UpdateFeatures (KIP-584): raising and lowering finalized feature levels, all of a request or none. */
import { Errors } from '../../protocol/errors.ts';
import { isMetadataDowngradeLossy, METADATA_VERSION, SUPPORTED_FEATURES } from '../features.ts';
import type { ClusterImage } from '../image.ts';
import { FEATURES_KEY } from '../keys.ts';
import { answer, Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { encodeRecord, FeaturesRecord } from '../records.ts';

export const UPGRADE_TYPE = { UNKNOWN: 0, UPGRADE: 1, SAFE_DOWNGRADE: 2, UNSAFE_DOWNGRADE: 3 } as const;

export interface FeatureUpdate {
  readonly name: string;
  readonly level: number;
  /** One of UPGRADE_TYPE. */
  readonly upgradeType: number;
}

export function updateFeatures(
  image: ClusterImage,
  updates: readonly FeatureUpdate[],
  controllerId: number,
): Decision<Outcome> {
  const levels = new Map(image.features.finalized);
  for (const update of updates) {
    const problem = updateProblem(image, update, controllerId);
    if (problem !== undefined) {
      const message = `Invalid update version ${update.level} for feature ${update.name}. ${problem}`;
      return answer(refusal(Errors.INVALID_UPDATE_VERSION, message));
    }
    const lossy = downgradeProblem(image, update);
    if (lossy !== undefined) return answer(refusal(Errors.INVALID_UPDATE_VERSION, lossy));
    if (update.level === 0) levels.delete(update.name);
    else levels.set(update.name, update.level);
  }
  const change = new Change();
  const entries = [...levels].map(([name, level]) => ({ name, level }));
  const { modRevision } = image.keyRevisions(FEATURES_KEY);
  change.put(FEATURES_KEY, modRevision, encodeRecord(FeaturesRecord, { levels: entries }));
  return change.decide(SUCCESS);
}

function updateProblem(
  image: ClusterImage,
  { name, level, upgradeType }: FeatureUpdate,
  controllerId: number,
): string | undefined {
  if (!Object.values<number>(UPGRADE_TYPE).includes(upgradeType) || upgradeType === UPGRADE_TYPE.UNKNOWN) {
    return 'The controller does not support the given upgrade type.';
  }
  if (level < 0) return 'A feature version cannot be less than 0.';
  const range = SUPPORTED_FEATURES.find((feature) => feature.name === name) ?? { min: 0, max: 0 };
  if (level < range.min || level > range.max) {
    if (range.max === 0) return `Local controller ${controllerId} does not support this feature.`;
    return `Local controller ${controllerId} only supports versions ${range.min}-${range.max}`;
  }
  const current = image.features.finalized.get(name) ?? 0;
  if (level < current && upgradeType === UPGRADE_TYPE.UPGRADE) {
    return (
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or " +
      'unsafe downgrade.'
    );
  }
  if (level > current && upgradeType !== UPGRADE_TYPE.UPGRADE) return "Can't downgrade to a newer version.";
  return undefined;
}

function downgradeProblem(
  image: ClusterImage,
  { name, level, upgradeType }: FeatureUpdate,
): string | undefined {
  const current = image.features.metadataVersion;
  if (name !== METADATA_VERSION || level >= current || !isMetadataDowngradeLossy(level)) return undefined;
  const reason =
    upgradeType === UPGRADE_TYPE.UNSAFE_DOWNGRADE
      ? 'Unsafe metadata downgrade is not supported in this version.'
      : 'Refusing to perform the requested downgrade because it might delete metadata information.';
  return `Unsupported metadata.version downgrade from ${current} to ${level}. ${reason}`;
}
