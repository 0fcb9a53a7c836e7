/** etcd's half-open key ranges. */

/** All keys that begin with `prefix`, which is not empty. */
export function prefixRange(prefix: string): { readonly key: Buffer; readonly rangeEnd: Buffer } {
  const key = Buffer.from(prefix);
  return { key, rangeEnd: endOf(key) };
}

/** The first key after all that begin with `prefix`: its last byte that can be raised, raised. UTF-8 has no byte 0xff. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}

/** The first key behind `key`. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}
