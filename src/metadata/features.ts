/**
 * The features that clients and brokers agree on by level (KIP-584): what this release supports, and what a new cluster
 * begins with. A level is raised here when what it promises works, never before; this is the one place to do so.
 */
import type { ClusterImage } from './image.ts';

export const METADATA_VERSION = 'metadata.version';
/** 1: flexible records of transactions; 2: an epoch for each transaction, and partitions added by producing (KIP-890). */
export const TRANSACTION_VERSION = 'transaction.version';

export interface FeatureRange {
  readonly name: string;
  readonly min: number;
  /** 0: known by name, nothing to raise. */
  readonly max: number;
}

/** Levels of metadata.version, as Kafka numbers them. Clients show it; Headrace's own format is versioned by itself. */
const METADATA_VERSION_MIN = 7; // 3.3-IV3
const METADATA_VERSION_MAX = 33; // 4.4-IV2
/** Between these two no level changed what is stored, so going down that far loses nothing. */
const METADATA_VERSION_LAST_CHANGE = 33;

/**
 * In the order in which Kafka 4.4 lists them. Its own maxima are kraft.version 1, transaction.version 2, group.version
 * 1, eligible.leader.replicas.version 1, share.version 2 and streams.version 1. There is no KRaft log behind Headrace, so
 * kraft.version stays 0 for good.
 */
export const SUPPORTED_FEATURES: readonly FeatureRange[] = [
  { name: METADATA_VERSION, min: METADATA_VERSION_MIN, max: METADATA_VERSION_MAX },
  { name: 'kraft.version', min: 0, max: 0 },
  { name: TRANSACTION_VERSION, min: 0, max: 2 },
  { name: 'group.version', min: 0, max: 0 },
  { name: 'eligible.leader.replicas.version', min: 0, max: 0 },
  { name: 'share.version', min: 0, max: 0 },
  { name: 'streams.version', min: 0, max: 0 },
];

/** What a new cluster finalizes: the highest supported level of everything that has one. */
export const DEFAULT_LEVELS: readonly { readonly name: string; readonly level: number }[] =
  SUPPORTED_FEATURES.filter((feature) => feature.max > 0).map(({ name, max }) => ({ name, level: max }));

export function isMetadataDowngradeLossy(to: number): boolean {
  return to < METADATA_VERSION_LAST_CHANGE;
}

/** The feature fields of an ApiVersions answer (v3+). */
export interface ApiVersionsFeatures {
  readonly supportedFeatures: { name: string; minVersion: number; maxVersion: number }[];
  /** -1: unknown. */
  readonly finalizedFeaturesEpoch: number;
  readonly finalizedFeatures: { name: string; maxVersionLevel: number; minVersionLevel: number }[];
}

/**
 * What ApiVersions says of features at a version. Below v4 supported features with minimum 0 are left out, because old
 * Java clients choke on them (KAFKA-17011); features finalized at level 0 are always left out.
 */
export function apiVersionsFeatures(image: ClusterImage, apiVersion: number): ApiVersionsFeatures {
  const supported = SUPPORTED_FEATURES.filter(
    (feature) => feature.max > 0 && (apiVersion >= 4 || feature.min > 0),
  );
  const { finalized, epoch } = image.features;
  const levels = [...finalized].filter(([, level]) => level > 0);
  return {
    supportedFeatures: supported.map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
    finalizedFeaturesEpoch: epoch,
    finalizedFeatures: levels.map(([name, level]) => ({
      name,
      maxVersionLevel: level,
      minVersionLevel: level,
    })),
  };
}
