import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerChallenge, brokerHello, challengeBroker, isProven } from './broker-identity.ts';

const SECRET = Buffer.alloc(32, 7);
const CLAIM = { nodeId: 3, brokerEpoch: 2 ** 40, toNodeId: 4 };
const nonce = (fill: number): Buffer => Buffer.alloc(32, fill);

/** The whole exchange between two sides that each have a secret. */
function exchange(client: Buffer, server: Buffer): boolean {
  const hello = brokerHello(CLAIM, nonce(1));
  const { pending, challenge } = challengeBroker(server, hello, nonce(2))!;
  const proof = answerChallenge(client, hello, challenge);
  return proof !== undefined && isProven(pending, proof);
}

test('who knows the secret is let in, with what was claimed', () => {
  assert.equal(exchange(SECRET, SECRET), true);
  assert.deepEqual(challengeBroker(SECRET, brokerHello(CLAIM, nonce(1)), nonce(2))!.pending.claim, CLAIM);
});

test('who has another secret is not, and does not let us in', () => {
  assert.equal(exchange(SECRET, Buffer.alloc(32, 8)), false);
  const hello = brokerHello(CLAIM, nonce(1));
  const { pending } = challengeBroker(SECRET, hello, nonce(2))!;
  // A client that proves by another secret, to a server that it believes in for other reasons.
  const forged = challengeBroker(Buffer.alloc(32, 8), hello, nonce(2))!;
  const proof = answerChallenge(Buffer.alloc(32, 8), hello, forged.challenge)!;
  assert.equal(isProven(pending, proof), false);
});

test('a proof counts for one exchange only', () => {
  const hello = brokerHello(CLAIM, nonce(1));
  const first = challengeBroker(SECRET, hello, nonce(2))!;
  const proof = answerChallenge(SECRET, hello, first.challenge)!;
  assert.equal(isProven(first.pending, proof), true);
  assert.equal(isProven(challengeBroker(SECRET, hello, nonce(3))!.pending, proof), false);
  for (const other of [{ nodeId: 9 }, { toNodeId: 9 }, { brokerEpoch: 9 }]) {
    const claimed = brokerHello({ ...CLAIM, ...other }, nonce(1));
    assert.equal(isProven(challengeBroker(SECRET, claimed, nonce(2))!.pending, proof), false);
  }
});

test("a server's proof is no client's", () => {
  const hello = brokerHello(CLAIM, nonce(1));
  const { pending, challenge } = challengeBroker(SECRET, hello, nonce(2))!;
  // The challenge's version, nonce and proof: its last field as the one of a BrokerProof.
  const proof = Buffer.concat([challenge.subarray(0, 2), challenge.subarray(2 + 33)]);
  assert.equal(isProven(pending, proof), false);
});

test('every changed bit of a step is noticed', () => {
  const hello = brokerHello(CLAIM, nonce(1));
  const { pending, challenge } = challengeBroker(SECRET, hello, nonce(2))!;
  const proof = answerChallenge(SECRET, hello, challenge)!;
  for (let bit = 0; bit < 8 * challenge.length; bit++) {
    assert.equal(answerChallenge(SECRET, hello, flipped(challenge, bit)), undefined, `challenge, bit ${bit}`);
  }
  for (let bit = 0; bit < 8 * proof.length; bit++) {
    assert.equal(isProven(pending, flipped(proof, bit)), false, `proof, bit ${bit}`);
  }
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

test('what is no step is refused', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(40, 0xff), Buffer.alloc(1 << 20)]) {
    assert.equal(challengeBroker(SECRET, bytes, nonce(2)), undefined);
    assert.equal(answerChallenge(SECRET, brokerHello(CLAIM, nonce(1)), bytes), undefined);
    const { pending } = challengeBroker(SECRET, brokerHello(CLAIM, nonce(1)), nonce(2))!;
    assert.equal(isProven(pending, bytes), false);
  }
  const short = brokerHello(CLAIM, Buffer.alloc(31));
  assert.equal(challengeBroker(SECRET, short, nonce(2)), undefined);
});
