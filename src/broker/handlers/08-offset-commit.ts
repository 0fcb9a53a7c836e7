/** OffsetCommit: a group remembers how far it has come (KIP-848 topic ids from version 10 on). */
import { Errors } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import { authorize } from '../authorization.ts';
import { commitKnownTopics, commitTopicRefused } from '../commit-topics.ts';
import { handler } from '../handler.ts';

const TOPIC_IDS_SINCE = 10;

export const offsetCommit = handler(
  OffsetCommitRequest,
  OffsetCommitResponse,
  async (request, context, services) => {
    const { groupId, topics } = request;
    if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: groupId })) {
      const refusal = Errors.GROUP_AUTHORIZATION_FAILED;
      return { throttleTimeMs: 0, topics: topics.map((topic) => commitTopicRefused(topic, refusal)) };
    }
    const answers = await commitKnownTopics(
      { topics, usesTopicIds: context.apiVersion >= TOPIC_IDS_SINCE },
      (known) => services.groups.commitOffsets(context, { ...request, topics: known }),
      context,
      services,
    );
    return { throttleTimeMs: 0, topics: answers };
  },
);
