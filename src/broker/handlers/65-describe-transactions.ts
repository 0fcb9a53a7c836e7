/** DescribeTransactions (key 65): state, timing and partitions of transactional ids (KIP-664). */
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../protocol/messages/65-describe-transactions.ts';
import { undescribed } from '../../transactions/transaction-admin.ts';
import { authorize, mayTopic } from '../authorization.ts';
import { handler } from '../handler.ts';

export const describeTransactions = handler(
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
  ({ transactionalIds }, context, services) => ({
    throttleTimeMs: 0,
    transactionStates: transactionalIds.map((name) => {
      if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'TRANSACTIONAL_ID', name })) {
        return undescribed(name, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
      }
      const described = services.transactions.describe(name);
      const topics = described.topics.filter(({ topic }) => mayTopic(services, context, 'DESCRIBE', topic));
      return { ...described, topics };
    }),
  }),
);
