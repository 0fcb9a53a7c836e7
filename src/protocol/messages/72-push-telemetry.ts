/**
 * PushTelemetry (key 72). A client pushes its metrics as OTLP (KIP-714). Offered only where a receiver is configured.
 */
import { bool, bytes, int16, int32, int8, message, uuid, type Read } from '../schema.ts';

export const PushTelemetryRequest = message(
  'PushTelemetryRequest',
  { key: 72, versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid,
    subscriptionId: int32,
    terminating: bool,
    compressionType: int8,
    metrics: bytes,
  },
);
export type PushTelemetryRequest = Read<typeof PushTelemetryRequest>;

export const PushTelemetryResponse = message(
  'PushTelemetryResponse',
  { key: 72, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
  },
);
export type PushTelemetryResponse = Read<typeof PushTelemetryResponse>;
