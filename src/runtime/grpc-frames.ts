/**
 * gRPC's framing: each message behind five bytes, one that says whether it is compressed and its length as a big-endian
 * uint32. The length is believed only below a limit, and bytes are kept as they come until a message is whole.
 */

const PREFIX_BYTES = 5;

export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

export type FrameFault = 'tooLarge' | 'compressed';

export class GrpcFrames {
  readonly #messageBytesMax: number;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** No message is half there. */
  get isEmpty(): boolean {
    return this.#sizeBytes === 0;
  }

  /** Hands over every message that is whole with `chunk`, as copies; a fault is for ever. */
  push(chunk: Buffer, onMessage: (message: Buffer) => void): FrameFault | undefined {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    while (this.#sizeBytes >= PREFIX_BYTES) {
      const prefix = this.#peek(PREFIX_BYTES);
      if (prefix[0] !== 0) return 'compressed';
      const length = prefix.readUInt32BE(1);
      if (length > this.#messageBytesMax) return 'tooLarge';
      if (this.#sizeBytes < PREFIX_BYTES + length) return undefined;
      onMessage(Buffer.from(this.#take(PREFIX_BYTES + length).subarray(PREFIX_BYTES)));
    }
    return undefined;
  }

  #peek(size: number): Buffer {
    if (this.#chunks[0]!.length < size) this.#join();
    return this.#chunks[0]!;
  }

  #take(size: number): Buffer {
    const first = this.#peek(size);
    if (first.length === size) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(size);
    this.#sizeBytes -= size;
    return first.subarray(0, size);
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
