/**
 * Who gets which partition, as KafkaJS's assigners decide it: what members write about themselves and what the leader writes for
 * them, and the way from an assigner to what headrace/client asks for.
 */
import { Reader, Writer } from '../protocol/wire.ts';
import { encodeSubscription, decodeAssignment } from '../client/group/subscription.ts';
import type { Assignor, MemberSubscription } from '../client/group/assignors.ts';
import type { TopicPartition } from '../client/consumer/options.ts';
import type {
  Assigner,
  Assignment,
  GroupMember,
  GroupMemberAssignment,
  GroupState,
  ISerializer,
  MemberAssignment,
  MemberMetadata,
  PartitionAssigner,
} from './types.ts';

const VERSION_BYTES = 2;

/** Both formats: a version, topics (with partitions in one of them), and bytes of the assigner's own. */
export const AssignerProtocol = {
  MemberMetadata: {
    encode({ version, topics, userData = Buffer.alloc(0) }: Partial<MemberMetadata>): Buffer {
      const writer = new Writer();
      writer.int16(version ?? 0);
      writer.int32(topics?.length ?? 0);
      for (const topic of topics ?? []) writer.string(topic);
      writer.bytes(userData);
      return writer.toBuffer();
    },
    decode(buffer: Buffer): MemberMetadata | null {
      return readOrNull(buffer, (reader) => ({
        version: reader.int16(),
        topics: readList(reader, () => reader.string(), 2),
        userData: readUserData(reader),
      }));
    },
  } satisfies ISerializer<MemberMetadata>,
  MemberAssignment: {
    encode({ version, assignment = {}, userData = Buffer.alloc(0) }: Partial<MemberAssignment>): Buffer {
      const writer = new Writer();
      writer.int16(version ?? 0);
      const topics = Object.entries(assignment);
      writer.int32(topics.length);
      for (const [topic, partitions] of topics) {
        writer.string(topic);
        writer.int32(partitions.length);
        for (const partition of partitions) writer.int32(partition);
      }
      writer.bytes(userData);
      return writer.toBuffer();
    },
    decode(buffer: Buffer): MemberAssignment | null {
      return readOrNull(buffer, (reader) => {
        const version = reader.int16();
        const readTopic = (): [string, number[]] => [
          reader.string(),
          readList(reader, () => reader.int32(), 4),
        ];
        const assignment = Object.fromEntries(readList(reader, readTopic, 6));
        return { version, assignment, userData: readUserData(reader) };
      });
    },
  } satisfies ISerializer<MemberAssignment>,
};

/** Members may leave the last field out, or say that there is nothing. */
function readUserData(reader: Reader): Buffer {
  const bytes = reader.remaining() < 4 ? null : reader.nullableBytes();
  return bytes === null ? Buffer.alloc(0) : Buffer.from(bytes);
}

function readList<T>(reader: Reader, read: () => T, elementSizeMin: number): T[] {
  return Array.from({ length: reader.arrayLength(elementSizeMin) }, read);
}

/** Null for a member that was given nothing at all. */
function readOrNull<T>(buffer: Buffer, read: (reader: Reader) => T): T | null {
  return buffer.length < VERSION_BYTES ? null : read(new Reader(buffer));
}

/**
 * Partition after partition to the members in turn, those that want the topic. Its name is KafkaJS's, so members of both can be
 * in one group.
 */
const roundRobin: PartitionAssigner = ({ cluster }) => ({
  name: 'RoundRobinAssigner',
  version: 0,
  assign({
    members,
    topics,
  }: {
    members: GroupMember[];
    topics: string[];
  }): Promise<GroupMemberAssignment[]> {
    const takers = members
      .map(({ memberId, memberMetadata }) => ({
        memberId,
        wanted: new Set(AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics),
        assignment: {} as Assignment,
      }))
      .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    const all = topics.flatMap((topic) =>
      cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ topic, partitionId })),
    );
    let turn = 0;
    for (const { topic, partitionId } of all) {
      if (!takers.some(({ wanted }) => wanted.has(topic))) continue;
      while (!takers[turn % takers.length]!.wanted.has(topic)) turn += 1;
      (takers[turn % takers.length]!.assignment[topic] ??= []).push(partitionId);
      turn += 1;
    }
    return Promise.resolve(
      takers.map(({ memberId, assignment }) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment }),
      })),
    );
  },
  protocol: ({ topics }: { topics: string[] }): GroupState => ({
    name: 'RoundRobinAssigner',
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics }),
  }),
});

export const PartitionAssigners = { roundRobin };

/** An assigner as headrace/client asks it; `refresh` brings what it sees of the cluster up to date, for these topics. */
export function assignorOf(assigner: Assigner, refresh: (topics: string[]) => Promise<void>): Assignor {
  return {
    name: assigner.name,
    isCooperative: false,
    userData(topics) {
      const { metadata } = assigner.protocol({ topics: [...topics] });
      const userData = AssignerProtocol.MemberMetadata.decode(metadata)?.userData;
      return userData === undefined || userData.length === 0 ? null : userData;
    },
    async assign(members, partitionCounts) {
      const topics = [...partitionCounts.keys()].sort();
      await refresh(topics);
      const assigned = await assigner.assign({ members: members.map(memberOf), topics });
      const result = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]));
      for (const { memberId, memberAssignment } of assigned) {
        result.set(memberId, decodeAssignment(memberAssignment));
      }
      return result;
    },
  };
}

function memberOf({ memberId, topics, userData }: MemberSubscription): GroupMember {
  const memberMetadata = encodeSubscription({ topics, userData, owned: [], generation: -1, rack: null });
  return { memberId, memberMetadata };
}
