/**
 * Chance from a seed: xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32. Each part of a
 * simulation takes a `fork` of its own, so that a change in how one part uses chance does not shift what the
 * others get.
 */
import type { Random } from '../base/ports.ts';

const TWO_32 = 2 ** 32;

export class SimulatedRandom implements Random {
  readonly #state = new Uint32Array(4);

  /** `seed`: any integer, its low 32 bits count; or a text. */
  constructor(seed: number | string) {
    let value = typeof seed === 'number' ? seed >>> 0 : hashText(0x811c9dc5, seed);
    for (let index = 0; index < 4; index++) {
      value = (value + 0x9e3779b9) >>> 0;
      let mixed = value;
      mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      this.#state[index] = mixed ^ (mixed >>> 15);
    }
  }

  /** Another stream, fixed by this one's state and the label. Takes one number from this stream. */
  fork(label: string): SimulatedRandom {
    return new SimulatedRandom(hashText(this.#next(), label));
  }

  float(): number {
    return (this.#next() * 2 ** 21 + (this.#next() >>> 11)) / 2 ** 53;
  }

  integer(limit: number): number {
    return Math.floor((this.#next() / TWO_32) * limit);
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.integer(max - min + 1);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.float() < p;
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    for (let index = 0; index < size; index++) bytes[index] = this.#next();
    return bytes;
  }

  #next(): number {
    const state = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotateLeft(state[3]!, 11);
    return result;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** FNV-1a over UTF-16 units, continued from `hash`. */
export function hashText(hash: number, text: string): number {
  let value = hash;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
