/** A consumer that reads some topics from their start and follows their ends, and the scan that ends every world. */
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { PartitionHistory } from './history.ts';
import { FetchSession, fetchOnce, LATEST, listOffset, positionAtStart, type Position } from './fetching.ts';
import type { Stage } from './stage.ts';

export async function runConsumer(
  stage: Stage,
  {
    name,
    random,
    hasSessions = true,
  }: { readonly name: string; readonly random: SimulatedRandom; readonly hasSessions?: boolean },
): Promise<void> {
  const client = stage.client(name);
  let positions = new Map<PartitionHistory, Position>();
  const session = random.chance(0.6) && hasSessions ? new FetchSession() : undefined;
  while (stage.phase === 'faults') {
    // Now and then somebody new, who starts from the beginning.
    if (random.chance(0.02)) positions = new Map();
    for (const topic of stage.topics) {
      for (let index = 0; index < topic.partitionCount; index++) {
        const partition = stage.history.partition(topic, index);
        if (topic.isGoing) positions.delete(partition);
        else if (!positions.has(partition)) positions.set(partition, positionAtStart(partition));
      }
    }
    try {
      await fetchOnce(stage, client, [...positions.values()], random, session);
    } catch (error) {
      stage.unknown('Fetch', error);
      session?.reset();
    }
    if (random.chance(0.01)) client.disconnect();
    await stage.sleep(random.between(1, 200));
  }
}

/** Reads each partition from start to end, and has the history judge. False: it did not get to the end. */
export async function scanAll(stage: Stage, random: SimulatedRandom): Promise<boolean> {
  const client = stage.client('scan');
  let isWhole = true;
  for (const topic of stage.topics.filter(({ isGoing }) => !isGoing)) {
    for (let index = 0; index < topic.partitionCount; index++) {
      const partition = stage.history.partition(topic, index);
      const found = await stage.until('scan', random, async () => {
        const scan = { from: -1, values: [] };
        const position = { ...positionAtStart(partition), scan };
        const end = await listOffset(stage, client, partition, LATEST);
        if (end === undefined) return undefined;
        for (let idle = 0; idle < 20 && (position.offset ?? -1) < end; idle++) {
          if ((await fetchOnce(stage, client, [position], random)) > 0) idle = 0;
        }
        return (position.offset ?? -1) >= end ? scan : undefined;
      });
      if (found === undefined) isWhole = false;
      else stage.history.scanned(partition, found.from, found.values);
    }
  }
  return isWhole;
}
