/** The configurations of client metrics subscriptions (KIP-714). */
import { listOf } from './checks.ts';
import { catalogue, define } from './definition.ts';
import type { Catalogue } from './definition.ts';

export const CLIENT_METRICS_CONFIGS: Catalogue = catalogue([
  define(
    'INT',
    'interval.ms',
    '300000',
    'How often matching clients push their metrics; from 100 ms to one hour.',
  ),
  define(
    'LIST',
    'match',
    '',
    'Which clients the subscription is for, as attribute=regular expression; empty for all.',
    { check: listOf() },
  ),
  define('LIST', 'metrics', '', 'Prefixes of the names of the metrics asked for; `*` asks for all.', {
    check: listOf(),
  }),
]);
