/**
 * Requests and responses as they cross a connection: int32 size, header, body. Sizes are checked by whoever cuts the
 * frames (rpc/); here a frame is already whole.
 */
import { requestHeaderVersion, responseHeaderVersion, type Api } from './apis.ts';
import { codec } from './compile.ts';
import { RequestHeader, ResponseHeader } from './messages/header.ts';
import { ProtocolError, Reader, Writer, type RecordsPart } from './wire.ts';

/** What every request begins with, whatever its API: enough to find the API and to answer. */
export interface RequestPrefix {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
}

/** Reads the first 8 bytes of a request without moving past them. */
export function peekPrefix(frame: Buffer): RequestPrefix {
  if (frame.length < 8)
    throw new ProtocolError(`request of ${frame.length} bytes is shorter than its header`);
  return {
    apiKey: frame.readInt16BE(0),
    apiVersion: frame.readInt16BE(2),
    correlationId: frame.readInt32BE(4),
  };
}

export interface DecodedRequest {
  readonly clientId: string | null;
  readonly body: unknown;
}

/** Decodes a whole request frame (without its size). The version must be one that the API has. */
export function decodeRequest(api: Api, version: number, frame: Buffer): DecodedRequest {
  const reader = new Reader(frame);
  const header = codec(RequestHeader, requestHeaderVersion(api, version)).read(reader);
  return { clientId: header.clientId, body: codec(api.request, version).read(reader) };
}

/** A response with size and header, as views, and regions where it holds any, in order; their total is the size plus 4. */
export function encodeResponse(
  api: Api,
  version: number,
  correlationId: number,
  body: unknown,
): RecordsPart[] {
  return responseWriter(api, version, correlationId, body).finishParts();
}

/** As above, as one buffer: for responses that hold no region. */
export function encodeWholeResponse(api: Api, version: number, correlationId: number, body: unknown): Buffer {
  return responseWriter(api, version, correlationId, body).toBuffer();
}

function responseWriter(api: Api, version: number, correlationId: number, body: unknown): Writer {
  const writer = new Writer();
  writer.int32(0);
  codec(ResponseHeader, responseHeaderVersion(api, version)).write(writer, { correlationId });
  codec(api.response, version).write(writer, body);
  writer.setInt32(0, writer.sizeBytes() - 4);
  return writer;
}

export interface OutgoingRequest {
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly body: unknown;
}

/** A request with size and header, as views in order. */
export function encodeRequest(api: Api, request: OutgoingRequest): Buffer[] {
  const { version, correlationId, clientId, body } = request;
  const writer = new Writer();
  writer.int32(0);
  codec(RequestHeader, requestHeaderVersion(api, version)).write(writer, {
    requestApiKey: api.key,
    requestApiVersion: version,
    correlationId,
    clientId,
  });
  codec(api.request, version).write(writer, body);
  writer.setInt32(0, writer.sizeBytes() - 4);
  return writer.finish();
}

/** Decodes a response frame (without its size); the correlation id is the caller's to match. */
export function decodeResponse(
  api: Api,
  version: number,
  frame: Buffer,
): { correlationId: number; body: unknown } {
  const reader = new Reader(frame);
  const { correlationId } = codec(ResponseHeader, responseHeaderVersion(api, version)).read(reader);
  return { correlationId, body: codec(api.response, version).read(reader) };
}
