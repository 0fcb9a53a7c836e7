/**
 * ApiVersions (key 18). Which APIs, versions and features the broker has. Its response header stays at version 0, and
 * an unknown version is answered at version 0 (KIP-511).
 *
 *     3    name and version of the client software (KIP-511); features (KIP-584)
 *     4    features may have 0 as their smallest level (KAFKA-17011)
 *     5    a client that reached the wrong cluster or node gets REBOOTSTRAP_REQUIRED (KIP-1242)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  message,
  or,
  orNull,
  string,
  struct,
  tagged,
  type Read,
} from '../schema.ts';

export const ApiVersionsRequest = message(
  'ApiVersionsRequest',
  { key: 18, versions: '0-5', flexible: '3+' },
  {
    clientSoftwareName: at('3+', string),
    clientSoftwareVersion: at('3+', string),
    clusterId: at('5+', orNull(string)),
    nodeId: at('5+', or(-1, int32)),
  },
);
export type ApiVersionsRequest = Read<typeof ApiVersionsRequest>;

export const ApiVersionsResponse = message(
  'ApiVersionsResponse',
  { key: 18, versions: '0-5', flexible: '3+' },
  {
    errorCode: int16,
    apiKeys: array(
      struct({
        apiKey: int16,
        minVersion: int16,
        maxVersion: int16,
      }),
    ),
    throttleTimeMs: at('1+', int32),
    supportedFeatures: at(
      '3+',
      tagged(
        0,
        array(
          struct({
            name: string,
            minVersion: int16,
            maxVersion: int16,
          }),
        ),
      ),
    ),
    finalizedFeaturesEpoch: at('3+', tagged(1, or(-1, int64))),
    finalizedFeatures: at(
      '3+',
      tagged(
        2,
        array(
          struct({
            name: string,
            maxVersionLevel: int16,
            minVersionLevel: int16,
          }),
        ),
      ),
    ),
    zkMigrationReady: at('3+', tagged(3, or(false, bool))),
  },
);
export type ApiVersionsResponse = Read<typeof ApiVersionsResponse>;
