/** Consumers that share a topic's partitions, as the members of a group do. */
import type { ConsumeJob } from './job.ts';
import { split, startLoad, type Load } from './load.ts';

/** Where there are fewer partitions than clients, each client reads all of them, as different groups do. */
export function startConsumers(
  server: { readonly port: number },
  clients: number,
  job: Pick<ConsumeJob, 'topic' | 'endOffsets' | 'atEnd' | 'leaders'>,
): Promise<Load> {
  const partitions = job.endOffsets.map((_, partition) => partition);
  const assignments = Array.from({ length: clients }, (_, client) =>
    partitions.length < clients ? partitions : partitions.filter((one) => one % clients === client),
  );
  const jobs = split(clients, (count): ConsumeJob => ({
    ...job,
    does: 'consume',
    port: server.port,
    clients: assignments.splice(0, count),
  }));
  return startLoad(jobs);
}
