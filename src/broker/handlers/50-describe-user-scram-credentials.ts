/** DescribeUserScramCredentials (key 50): which mechanisms users have passwords for; nothing of the passwords. */
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../protocol/messages/50-describe-user-scram-credentials.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';

export const describeUserScramCredentials = handler(
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
  ({ users }, context, services) => {
    requireClusterOperation(services, context, 'DESCRIBE');
    const { scramUsers } = services.image;
    const asked = users === null || users.length === 0 ? undefined : users.map(({ name }) => name);
    const counts = new Map<string, number>();
    for (const name of asked ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
    const results = [...(asked === undefined ? scramUsers.keys() : counts.keys())].map((user) => {
      const credentials = scramUsers.get(user);
      const refuse = (errorCode: number, errorMessage: string) => ({
        user,
        errorCode,
        errorMessage,
        credentialInfos: [],
      });
      if ((counts.get(user) ?? 0) > 1) {
        const what = 'Cannot describe SCRAM credentials for the same user twice in a single request';
        return refuse(Errors.DUPLICATE_RESOURCE, `${what}: ${user}`);
      }
      if (credentials === undefined) {
        const what = 'Attempt to describe a user credential that does not exist';
        return refuse(Errors.RESOURCE_NOT_FOUND, `${what}: ${user}`);
      }
      const credentialInfos = credentials.map(({ mechanism, iterations }) => ({ mechanism, iterations }));
      return { user, errorCode: Errors.NONE, errorMessage: null, credentialInfos };
    });
    return { throttleTimeMs: 0, errorCode: Errors.NONE, errorMessage: null, results };
  },
);
