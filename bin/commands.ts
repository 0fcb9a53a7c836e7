/** The commands that are loaded only when they are asked for, so that each starts as if it were alone. */
import type { Command } from 'commander';

export interface LazyCommand {
  readonly name: string;
  readonly description: string;
  /** Not for people. */
  readonly isHidden?: boolean;
  load(): Promise<{ define(command: Command): void }>;
}

export const COMMANDS: readonly LazyCommand[] = [
  {
    name: 'topics',
    description: 'Lists, describes, creates, alters and deletes topics.',
    load: () => import('./commands/topics.ts'),
  },
  {
    name: 'produce',
    description: 'Sends lines, JSON or CSV to a topic, from a file or from what is typed or piped.',
    load: () => import('./commands/produce.ts'),
  },
  {
    name: 'consume',
    description: 'Prints the records of a topic: all, the last ones, those that match, those to come.',
    load: () => import('./commands/consume.ts'),
  },
  {
    name: 'groups',
    description: 'Shows who reads and how far they are; resets offsets; deletes groups.',
    load: () => import('./commands/groups.ts'),
  },
  {
    name: 'configs',
    description: 'Shows and changes the settings of topics, brokers and groups.',
    load: () => import('./commands/configs.ts'),
  },
  {
    name: 'brokers',
    description: 'Lists the brokers of the cluster.',
    load: () => import('./commands/brokers.ts'),
  },
  {
    name: 'log-dirs',
    description: 'Shows the log directories of the brokers and the replicas in them.',
    load: () => import('./commands/log-dirs.ts'),
  },
  {
    name: 'transactions',
    description: 'Lists, describes and aborts transactions.',
    load: () => import('./commands/transactions.ts'),
  },
  {
    name: 'acls',
    description: 'Lists, adds and removes rules of access.',
    load: () => import('./commands/acls.ts'),
  },
  {
    name: 'quotas',
    description: 'Lists, sets and removes quotas.',
    load: () => import('./commands/quotas.ts'),
  },
  {
    name: 'reassign',
    description: 'Moves single partitions to brokers that are named.',
    load: () => import('./commands/reassign.ts'),
  },
  {
    name: 'perf',
    description: 'Measures how fast a cluster takes and gives records.',
    load: () => import('./commands/perf.ts'),
  },
  {
    name: 'cluster',
    description: 'Looks after a cluster that runs: of Headrace or of Apache Kafka.',
    load: () => import('./commands/cluster.ts'),
  },
  {
    name: 'context',
    description: 'Gives connections names, and chooses the one in use.',
    load: () => import('./commands/context.ts'),
  },
  {
    name: 'completion',
    description: 'Prints what a shell needs to complete these commands.',
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'complete-words',
    description: 'Prints what may come next.',
    isHidden: true,
    load: () => import('./commands/complete-words.ts'),
  },
];
