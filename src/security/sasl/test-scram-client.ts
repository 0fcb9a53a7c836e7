/** For tests: the client's side of SCRAM, as RFC 5802 has it. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { ScramMechanism } from './scram.ts';

const HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const SIZES = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 } as const;

export function saltedPassword(
  mechanism: ScramMechanism,
  { password, salt, iterations }: { password: string; salt: Buffer; iterations: number },
): Buffer {
  return pbkdf2Sync(password, salt, iterations, SIZES[mechanism], HASHES[mechanism]);
}

export function scramClient(
  mechanism: ScramMechanism,
  who: { readonly user?: string; readonly password?: string; readonly header?: string },
): {
  readonly first: string;
  final(serverFirst: string, changed?: { readonly binding?: string; readonly nonces?: string }): string;
} {
  const { user = 'user', password = 'pencil', header = 'n,,' } = who;
  const hash = HASHES[mechanism];
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=abc`;
  return {
    first: header + bare,
    final(serverFirst, { binding = header, nonces } = {}) {
      const [, r, s, i] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst)!;
      const from = { password, salt: Buffer.from(s!, 'base64'), iterations: Number(i) };
      const key = createHmac(hash, saltedPassword(mechanism, from)).update('Client Key').digest();
      const withoutProof = `c=${Buffer.from(binding).toString('base64')},r=${nonces ?? r}`;
      const signature = createHmac(hash, createHash(hash).update(key).digest())
        .update(`${bare},${serverFirst},${withoutProof}`)
        .digest();
      const proof = Buffer.from(key.map((byte, index) => byte ^ signature[index]!));
      return `${withoutProof},p=${proof.toString('base64')}`;
    },
  };
}
