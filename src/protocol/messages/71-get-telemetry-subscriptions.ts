/**
 * GetTelemetrySubscriptions (key 71). A client asks which metrics it is to push (KIP-714). Offered only where a
 * receiver is configured.
 */
import { array, bool, int16, int32, int8, message, string, uuid, type Read } from '../schema.ts';

export const GetTelemetrySubscriptionsRequest = message(
  'GetTelemetrySubscriptionsRequest',
  { key: 71, versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid,
  },
);
export type GetTelemetrySubscriptionsRequest = Read<typeof GetTelemetrySubscriptionsRequest>;

export const GetTelemetrySubscriptionsResponse = message(
  'GetTelemetrySubscriptionsResponse',
  { key: 71, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    clientInstanceId: uuid,
    subscriptionId: int32,
    acceptedCompressionTypes: array(int8),
    pushIntervalMs: int32,
    telemetryMaxBytes: int32,
    deltaTemporality: bool,
    requestedMetrics: array(string),
  },
);
export type GetTelemetrySubscriptionsResponse = Read<typeof GetTelemetrySubscriptionsResponse>;
