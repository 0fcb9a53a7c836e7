/** What lies in the two opaque fields of an Envelope between brokers: who asked, and the controller's answer. */
import { decodeRecord, encodeRecord } from '../metadata/records.ts';
import { bytes, int64, message, string, tagged, uuid } from '../protocol/schema.ts';
import type { ClientSoftware, Principal, RequestContext } from './context.ts';

const LAYOUT = { versions: '0', flexible: '0+' } as const;

const Asker = message('Asker', LAYOUT, {
  principalType: string,
  principalName: string,
  listener: string,
  softwareName: string,
  softwareVersion: string,
  /** The same each time the request is sent; zero: of a broker that sends it once. */
  requestId: tagged(0, uuid),
});

const ControllerAnswer = message('ControllerAnswer', LAYOUT, {
  /** Of the controller's image when it answered: whoever has it as well reads what was decided. */
  revision: int64,
  /** The response with its header. */
  response: bytes,
});

/** For whom a request is made: it is judged as if it had come to the controller itself. */
export type Origin = Pick<
  RequestContext,
  'clientId' | 'listener' | 'principal' | 'clientHost' | 'clientSoftware' | 'forwardedBy'
>;

export function encodeAsker({ principal, listener, clientSoftware }: Origin, requestId: string): Buffer {
  return encodeRecord(Asker, {
    principalType: principal.type,
    principalName: principal.name,
    listener,
    softwareName: clientSoftware.name,
    softwareVersion: clientSoftware.version,
    requestId,
  });
}

/** Throws ProtocolError. */
export function decodeAsker(value: Buffer): {
  readonly principal: Principal;
  readonly listener: string;
  readonly clientSoftware: ClientSoftware;
  readonly requestId: string;
} {
  const asker = decodeRecord(Asker, value);
  return {
    principal: { type: asker.principalType, name: asker.principalName },
    listener: asker.listener,
    clientSoftware: { name: asker.softwareName, version: asker.softwareVersion },
    requestId: asker.requestId,
  };
}

export function encodeControllerAnswer(answer: {
  readonly revision: number;
  readonly response: Buffer;
}): Buffer {
  return encodeRecord(ControllerAnswer, answer);
}

/** Throws ProtocolError. */
export function decodeControllerAnswer(value: Buffer): {
  readonly revision: number;
  readonly response: Buffer;
} {
  return decodeRecord(ControllerAnswer, value);
}
