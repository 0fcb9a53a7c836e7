/** What an administrator asks of etcd, over its JSON interface. */
const LIMIT_MS = 3_000;

/** Throws away all history before now. */
export async function compact(address: string): Promise<void> {
  const { header } = await post(address, 'kv/range', { key: 'AA==' });
  await post(address, 'kv/compaction', { revision: header.revision, physical: true });
}

async function post(address: string, path: string, body: object): Promise<{ header: { revision: string } }> {
  const answer = await fetch(`http://${address}:2379/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (!answer.ok) throw new Error(`etcd: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { header: { revision: string } };
}
