/** What the broker says it can do: the version ranges of its APIs (KIP-35). The features are metadata/features.ts. */
import type { Api } from '../protocol/apis.ts';

export interface ApiVersionRange {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

const PRODUCE = 0;
const GET_TELEMETRY_SUBSCRIPTIONS = 71;
const PUSH_TELEMETRY = 72;

/** The ranges to advertise for these APIs, by key. Those that are for brokers alone are named to no client. */
export function advertisedRanges(apis: readonly Api[]): ApiVersionRange[] {
  return rangesForBrokers(apis.filter(({ isControllerOnly }) => !isControllerOnly));
}

/** The ranges that other brokers are told. */
export function rangesForBrokers(apis: readonly Api[]): ApiVersionRange[] {
  return apis
    .filter((api) => api.key !== GET_TELEMETRY_SUBSCRIPTIONS && api.key !== PUSH_TELEMETRY)
    .map((api) => ({
      apiKey: api.key,
      // Versions 0 to 2 are gone, but librdkafka turns a codec off where it does not see them (KAFKA-18659).
      minVersion: api.key === PRODUCE ? 0 : api.versionMin,
      maxVersion: api.versionMax,
    }))
    .sort((a, b) => a.apiKey - b.apiKey);
}
