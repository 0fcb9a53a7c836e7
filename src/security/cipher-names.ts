/**
 * Cipher suites by their names in Kafka's settings (those of the TLS registry) and in OpenSSL. Only suites with forward
 * secrecy.
 */

/** What comes before WITH, and what comes after it; the suites of TLS 1.3 have one name everywhere. */
const EXCHANGES: Readonly<Record<string, string>> = {
  ECDHE_RSA: 'ECDHE-RSA',
  ECDHE_ECDSA: 'ECDHE-ECDSA',
  DHE_RSA: 'DHE-RSA',
};
const CIPHERS: Readonly<Record<string, string>> = {
  AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  CHACHA20_POLY1305_SHA256: 'CHACHA20-POLY1305',
};
const OF_TLS_1_3: ReadonlySet<string> = new Set(Object.keys(CIPHERS).map((cipher) => `TLS_${cipher}`));

/** `names` is undefined where nothing is wanted in particular. */
export function openSslCiphers(suites: readonly string[]): {
  readonly names: string | undefined;
  readonly unknown: readonly string[];
} {
  const names: string[] = [];
  const unknown: string[] = [];
  for (const suite of suites) {
    const name = openSslName(suite);
    if (name === undefined) unknown.push(suite);
    else names.push(name);
  }
  return { names: names.length === 0 ? undefined : names.join(':'), unknown };
}

function openSslName(suite: string): string | undefined {
  if (OF_TLS_1_3.has(suite)) return suite;
  const match = /^TLS_(.+)_WITH_(.+)$/.exec(suite);
  const [exchange, cipher] = [EXCHANGES[match?.[1] ?? ''], CIPHERS[match?.[2] ?? '']];
  return exchange === undefined || cipher === undefined ? undefined : `${exchange}-${cipher}`;
}
