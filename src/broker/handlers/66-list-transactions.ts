/** ListTransactions (key 66): the transactional ids that this broker coordinates (KIP-664, KIP-994, KIP-1152). */
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../protocol/messages/66-list-transactions.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const listTransactions = handler(
  ListTransactionsRequest,
  ListTransactionsResponse,
  (request, context, services) => {
    const answer = services.transactions.list(request);
    const transactionStates = answer.transactionStates.filter(({ transactionalId: name }) =>
      authorize(services, context, { operation: 'DESCRIBE', resource: 'TRANSACTIONAL_ID', name }),
    );
    return { ...answer, transactionStates };
  },
);
