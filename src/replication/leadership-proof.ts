/**
 * Whether a broker still leads, by its followers' word: to be asked by a leader that others may have taken for dead, before
 * it says what a successor would know better. Each replica that could have been elected has to fetch in this epoch, by a
 * request that it sent after the question was put. A follower sends one request after the other, so that is the second to
 * arrive: the first may have been under way. The question is Raft's read index (Ongaro 2014, section 6.4), with the replicas
 * that could have been elected in the place of the majority.
 */
import type { Leadership } from './leadership.ts';

/** `lost`: this broker does not lead any more, or has no log. */
export type ProofOutcome = 'leads' | 'lost';

const FETCHES = 2;

interface Proof {
  /** By replica: how many fetches of it there must have been. */
  readonly wanted: ReadonlyMap<number, number>;
  readonly callback: (outcome: ProofOutcome) => void;
}

export class LeadershipProofs {
  readonly #proofs = new Set<Proof>();

  /** Calls back once, at once without candidates. Returns a way to forget about it. */
  begin(
    leadership: Leadership,
    candidates: Iterable<number>,
    callback: (outcome: ProofOutcome) => void,
  ): () => void {
    const wanted = new Map<number, number>();
    for (const nodeId of candidates) {
      wanted.set(nodeId, (leadership.follower(nodeId)?.fetches ?? 0) + FETCHES);
    }
    const proof = { wanted, callback };
    this.#proofs.add(proof);
    this.fetched(leadership);
    return () => void this.#proofs.delete(proof);
  }

  /** A follower has fetched. */
  fetched(leadership: Leadership): void {
    for (const proof of this.#proofs) {
      const isDone = [...proof.wanted].every(
        ([nodeId, count]) => (leadership.follower(nodeId)?.fetches ?? 0) >= count,
      );
      if (isDone) this.#end(proof, 'leads');
    }
  }

  lose(): void {
    for (const proof of this.#proofs) this.#end(proof, 'lost');
  }

  #end(proof: Proof, outcome: ProofOutcome): void {
    this.#proofs.delete(proof);
    proof.callback(outcome);
  }
}
