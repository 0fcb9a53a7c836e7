/**
 * How brokers of a cluster know each other: the SASL mechanism HEADRACE-BROKER, in which both sides show that they know
 * the cluster's inter-broker secret (only brokers can read the metadata store, where it lies), without sending it.
 *
 *     broker that connects                    broker that is connected to
 *     BrokerHello: who, to whom, nonce   ->
 *                                        <-   BrokerChallenge: nonce, proof
 *     BrokerProof                        ->
 *                                        <-   nothing: it is let in
 *
 * A proof is the HMAC-SHA-256, by the secret, over the side's name, the hello and the other's nonce. Since the hello names
 * the broker it is meant for, and each side's proof differs, neither can be shown to anybody else.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeRecord, encodeRecord } from '../metadata/records.ts';
import { bytes, int32, int64, message, type Message } from '../protocol/schema.ts';
import { ProtocolError } from '../protocol/wire.ts';

export const BROKER_MECHANISM = 'HEADRACE-BROKER';
/** The type of such a principal; its name is the broker's id. */
export const BROKER_PRINCIPAL_TYPE = 'Broker';
export const BROKER_NONCE_BYTES = 32;
const PROOF_BYTES = 32;
/** What a step of the exchange may hold, with room for fields to come. */
const STEP_BYTES_MAX = 1024;

const LAYOUT = { versions: '0', flexible: '0+' } as const;
const BrokerHello = message('BrokerHello', LAYOUT, {
  nodeId: int32,
  /** Of the connecting broker's registration. */
  brokerEpoch: int64,
  toNodeId: int32,
  nonce: bytes,
});
const BrokerChallenge = message('BrokerChallenge', LAYOUT, { nonce: bytes, proof: bytes });
const BrokerProof = message('BrokerProof', LAYOUT, { proof: bytes });

export interface BrokerClaim {
  readonly nodeId: number;
  readonly brokerEpoch: number;
  readonly toNodeId: number;
}

/** The first step of the broker that connects. The nonce must be one that nobody can predict. */
export function brokerHello(claim: BrokerClaim, nonce: Buffer): Buffer {
  return encodeRecord(BrokerHello, { ...claim, nonce });
}

/** Its second step; undefined when the other side does not know the secret. */
export function answerChallenge(secret: Buffer, hello: Buffer, challenge: Buffer): Buffer | undefined {
  const { nonce, proof } = read(BrokerChallenge, challenge) ?? {};
  if (nonce?.length !== BROKER_NONCE_BYTES || proof === undefined) return undefined;
  if (!isEqual(proof, proofOf(secret, 'server', { hello, nonce }))) return undefined;
  return encodeRecord(BrokerProof, { proof: proofOf(secret, 'client', { hello, nonce }) });
}

/** What the broker that is connected to keeps between its two steps. */
export interface PendingBroker {
  readonly claim: BrokerClaim;
  readonly expectedProof: Buffer;
}

/** Its first step; undefined for a hello that is none. Whether the claim can be true is for the caller to judge. */
export function challengeBroker(
  secret: Buffer,
  hello: Buffer,
  nonce: Buffer,
): { readonly pending: PendingBroker; readonly challenge: Buffer } | undefined {
  const said = read(BrokerHello, hello);
  if (said?.nonce.length !== BROKER_NONCE_BYTES) return undefined;
  const { nodeId, brokerEpoch, toNodeId } = said;
  const expectedProof = proofOf(secret, 'client', { hello, nonce });
  const proof = proofOf(secret, 'server', { hello, nonce });
  return {
    pending: { claim: { nodeId, brokerEpoch, toNodeId }, expectedProof },
    challenge: encodeRecord(BrokerChallenge, { nonce, proof }),
  };
}

/** Its second step: whether the other side knows the secret. */
export function isProven({ expectedProof }: PendingBroker, proof: Buffer): boolean {
  const said = read(BrokerProof, proof);
  return said !== undefined && isEqual(said.proof, expectedProof);
}

function proofOf(
  secret: Buffer,
  side: 'client' | 'server',
  over: { readonly hello: Buffer; readonly nonce: Buffer },
): Buffer {
  // The nonce's length is fixed, so no two exchanges have the same bytes.
  return createHmac('sha256', secret)
    .update(`${BROKER_MECHANISM} ${side}\n`)
    .update(over.nonce)
    .update(over.hello)
    .digest();
}

/** In a time that does not tell where they differ. */
function isEqual(said: Buffer, expected: Buffer): boolean {
  return said.length === PROOF_BYTES && timingSafeEqual(said, expected);
}

function read<R>(step: Message<R, unknown>, from: Buffer): R | undefined {
  if (from.length > STEP_BYTES_MAX) return undefined;
  try {
    return decodeRecord(step, from);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
