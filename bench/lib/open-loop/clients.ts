/** The connections of open-loop clients: one each to a single broker, or in a cluster one each to every leader. */
import { connectMany, type FrameConnection } from '../frame-connection.ts';
import type { Target } from './messages.ts';

/** By port. */
export type Client = ReadonlyMap<number, FrameConnection>;

export async function connectClients(
  { port, targets }: { readonly port: number; readonly targets: readonly Target[] },
  count: number,
): Promise<Client[]> {
  const ports = [...new Set(targets.flatMap(({ leaders }) => leaders ?? [port]))];
  const byPort: FrameConnection[][] = [];
  for (const one of ports) byPort.push(await connectMany(one, count));
  return Array.from(
    { length: count },
    (_, client) => new Map(ports.map((one, index) => [one, byPort[index][client]])),
  );
}
