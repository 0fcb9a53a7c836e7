/**
 * sendfile(2) of Linux, through node:ffi: bytes go from the page cache to a socket without a copy into this process. There
 * is none where Node has no FFI or is not allowed to use it, on other systems, and with a C library of another name;
 * then everything is read and written as usual.
 */

/**
 * Sends up to `sizeBytes` from `position` of one descriptor to another. Returns what was sent: less when the socket is full
 * or the file ends, 0 at the end of the file, -1 when it fails, as it does for a socket that is full already. Why it
 * failed is not told: whoever writes to the socket or reads the file instead learns it.
 */
export type SendFile = (
  to: number,
  from: number,
  range: { readonly position: number; readonly sizeBytes: number },
) => number;

/** What of node:ffi is used. */
interface Ffi {
  dlopen(
    library: string,
    functions: Record<string, { readonly arguments: readonly string[]; readonly return: string }>,
  ): { readonly lib: unknown; readonly functions: Record<string, (...values: unknown[]) => bigint> };
  getRawPointer(memory: ArrayBuffer): bigint;
}

const LIBRARY = 'libc.so.6';

export function loadSendFile(): SendFile | undefined {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return undefined;
  try {
    const ffi = loadFfi();
    if (ffi === undefined) return undefined;
    const library = ffi.dlopen(LIBRARY, {
      sendfile: { arguments: ['i32', 'i32', 'pointer', 'u64'], return: 'i64' },
    });
    const call = library.functions['sendfile']!;
    // The system reads the position from here, and leaves the next one.
    const place = new BigInt64Array(new ArrayBuffer(8));
    const pointer = ffi.getRawPointer(place.buffer);
    const send: SendFile = (to, from, { position, sizeBytes }) => {
      place[0] = BigInt(position);
      return Number(call(to, from, pointer, BigInt(sizeBytes)));
    };
    // Kept together: a library that nobody holds is closed.
    return Object.assign(send, { library, place });
  } catch {
    return undefined;
  }
}

/** Node warns of what is experimental; whoever runs a broker can do nothing about it. */
function loadFfi(): Ffi | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:ffi') as unknown as Ffi | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
