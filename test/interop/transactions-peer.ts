/** Transactions of a peer's process call by call, and what a partition looks like from outside meanwhile. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { ProcessPeer } from './process-peer.ts';
import { until } from './until.ts';

/** Of a transaction, where it is not about timeouts. */
export const TRANSACTION_TIMEOUT_MS = 60_000;
const VIEW_MS_MAX = 10_000;

/** A producer of the peer by name, each call an operation. */
export class Producer {
  readonly #peer: ProcessPeer;
  readonly #name: string;

  constructor(peer: ProcessPeer, name: string) {
    this.#peer = peer;
    this.#name = name;
  }
  open(transactionalId: string, timeoutMs = TRANSACTION_TIMEOUT_MS): Promise<void> {
    return this.#peer.call('txnOpen', { producer: this.#name, transactionalId, timeoutMs });
  }
  begin(): Promise<void> {
    return this.#peer.call('txnBegin', { producer: this.#name });
  }
  commit(): Promise<void> {
    return this.#peer.call('txnCommit', { producer: this.#name });
  }
  abort(): Promise<void> {
    return this.#peer.call('txnAbort', { producer: this.#name });
  }
  leave(): Promise<void> {
    return this.#peer.call('txnLeave', { producer: this.#name });
  }
  send(topic: string, values: string[], partition = 0): Promise<number[]> {
    return this.#peer.call('txnSend', { producer: this.#name, topic, partition, values });
  }
  /** Records with keys; a value that is null makes a tombstone. */
  sendKeyed(topic: string, records: { keys: string[]; values: (string | null)[] }): Promise<number[]> {
    return this.#peer.call('txnSend', { producer: this.#name, topic, partition: 0, ...records });
  }
  offsets(group: string, topic: string, offset: number): Promise<void> {
    return this.#peer.call('txnOffsets', { producer: this.#name, group, topic, partition: 0, offset });
  }
}

/**
 * Waits until a partition looks like this from outside: the answer to a commit or an abort comes before the markers are
 * written.
 */
export async function looks(peer: ProcessPeer, key: string, expected: View): Promise<void> {
  const isThere = async (): Promise<boolean> => isDeepStrictEqual(await view(peer, key), expected);
  await until('the view', isThere, { timeoutMs: VIEW_MS_MAX }).catch(() => {});
  assert.deepEqual(await view(peer, key), expected);
}

/** By isolation level the end, then the values. */
interface View {
  committed: (number | string)[];
  uncommitted: (number | string)[];
}

async function view(peer: ProcessPeer, key: string): Promise<View> {
  const levels = ['read_committed', 'read_uncommitted'] as const;
  const seen: Record<string, (number | string)[]> = {};
  for (const isolation of levels) {
    const read = await peer.call('readAll', { keys: [key], isolation });
    const ends = await peer.call('ends', { keys: [key], isolation });
    seen[isolation] = [ends[key], ...(read[key] ?? []).map(([, value]: [number, string]) => value)];
  }
  return { committed: seen['read_committed']!, uncommitted: seen['read_uncommitted']! };
}
