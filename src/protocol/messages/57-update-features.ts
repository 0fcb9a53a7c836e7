/**
 * UpdateFeatures (key 57). Raises or lowers the finalized levels of features (KIP-584).
 *
 *     1    validateOnly, and lowering (KIP-778)
 *     2    all or nothing: no result for each feature
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const UpdateFeaturesRequest = message(
  'UpdateFeaturesRequest',
  { key: 57, versions: '0-2', flexible: '0+' },
  {
    timeoutMs: or(60000, int32),
    featureUpdates: array(
      struct({
        feature: string,
        maxVersionLevel: int16,
        allowDowngrade: at('0', bool),
        upgradeType: at('1+', or(1, int8)),
      }),
    ),
    validateOnly: at('1+', or(false, bool)),
  },
);
export type UpdateFeaturesRequest = Read<typeof UpdateFeaturesRequest>;

export const UpdateFeaturesResponse = message(
  'UpdateFeaturesResponse',
  { key: 57, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    results: at(
      '0-1',
      array(
        struct({
          feature: string,
          errorCode: int16,
          errorMessage: nullable(string),
        }),
      ),
    ),
  },
);
export type UpdateFeaturesResponse = Read<typeof UpdateFeaturesResponse>;
