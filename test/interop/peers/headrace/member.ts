/**
 * Who belongs to a group: reads what is assigned to it, and commits what it has read. One group, which other libraries'
 * members are in, too, stands still while it is balanced; in the other one members keep what they have.
 */
import { type Consumer, type ConsumerOptions, isKafkaError } from '../../../../src/client/client.ts';
import { describe, keyOf, type Life, nameOf, nowUs, partitionOf } from './life.ts';
import { isEmpty, notePoll, poll, readerOptions } from './polling.ts';

const COMMON = { group: 'members', assignors: ['range', 'roundrobin'] } as const;
const COOPERATIVE = { group: 'members-cooperative', assignors: ['cooperative-sticky'] } as const;
/** The group has gone on without this member. */
const REFUSALS = ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'PARTITION_LOST'];

/** Members of even numbers are in the common group. */
export async function belong(life: Life, index: number): Promise<void> {
  const { random, settings } = life;
  const style = index % 2 === 0 ? COMMON : COOPERATIVE;
  const { group } = style;
  const reader = life.newName();
  const access = life.shared.access(random);
  const options: ConsumerOptions = {
    ...readerOptions('read_committed'),
    ...style,
    topics: [...new Set(settings.flows!.map((key) => partitionOf(key).topic))],
    from: 'earliest',
    autoCommit: false,
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 1_000,
    onAssigned: () => noteOwned(life, consumer, { reader, group }),
  };
  const consumer = access.client.consumer(options);
  try {
    for (let count = random.between(100, 2_100); count > 0 && !life.isEnded; count--) {
      const found = await life.during('polling as a member', poll(consumer, 100));
      notePoll(life, reader, found);
      if (!isEmpty(found)) await commit(life, consumer, { group, found });
      await life.pause(0.5);
    }
  } finally {
    await life.during('closing a member', consumer.close());
    await life.during('closing a client', access.leave());
  }
}

/** What it has now, in which generation, and where it goes on in each. */
function noteOwned(
  life: Life,
  consumer: Consumer,
  { reader, group }: { reader: string; group: string },
): void {
  const assigned = consumer.assignment();
  // The logs begin at 0: that is where a group without a committed offset begins.
  const positions = Object.fromEntries(assigned.map((at) => [keyOf(at), consumer.position(at) ?? 0]));
  life.note('ok', { f: 'assign', consumer: reader, isolation: 'read_committed', positions });
  const { generation } = consumer.offsetOwner.committer!;
  life.note('ok', { f: 'owned', group, generation, member: reader, keys: assigned.map(keyOf) });
}

/** Everything that was handed out, or up to the last record of each key. */
async function commit(
  life: Life,
  consumer: Consumer,
  { group, found }: { readonly group: string; readonly found: Awaited<ReturnType<typeof poll>> },
): Promise<void> {
  const { shared } = life;
  const isAll = life.random.chance(0.5);
  const wanted = isAll
    ? consumer.handedOut()
    : Object.entries(found).map(([key, records]) => ({
        ...partitionOf(key),
        offset: records.at(-1)![0] + 1,
      }));
  const offsets = Object.fromEntries(wanted.map((one) => [keyOf(one), one.offset]));
  const about = { f: 'commit', group, sinceUs: nowUs(), offsets } as const;
  try {
    await life.during('committing as a member', consumer.commit(isAll ? undefined : wanted));
    life.note('ok', about);
    shared.count('committed as a member');
  } catch (error) {
    shared.count(`member commit: ${nameOf(error)}`);
    // An earlier try may have been heard, and its answer lost.
    life.note('info', { ...about, error: describe(error) });
    if (!isKafkaError(error, ...REFUSALS)) throw error;
  }
}
