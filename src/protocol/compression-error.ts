/** What decompression throws, whatever the codec and whatever the bytes: never another exception. */

/** `corrupt`: not what the format says, or cut off. `too large`: would exceed the caller's limit. */
export type CompressionFault = 'corrupt' | 'too large';

export class CompressionError extends Error {
  readonly fault: CompressionFault;
  constructor(fault: CompressionFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CompressionError';
    this.fault = fault;
  }
}
