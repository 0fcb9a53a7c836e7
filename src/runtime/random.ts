/**
 * Real chance. `float` and `integer` serve jitter and sampling and may be predicted; whatever must not be
 * guessed (ids, salts, nonces) is made from `bytes`.
 */
import { randomBytes } from 'node:crypto';
import type { Random } from '../base/ports.ts';

export function realRandom(): Random {
  return {
    float: () => Math.random(),
    integer: (limit) => Math.floor(Math.random() * limit),
    bytes: (size) => randomBytes(size),
  };
}
