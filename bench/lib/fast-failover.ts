/** The two ways in which a cluster is told how soon a broker that says nothing any more counts as gone. */

/** As documented in docs/operations/failover.md. */
export const FAST_FAILOVER = {
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
} as const;

export const PROFILES = {
  default: { label: 'default settings', settings: {} },
  fast: { label: 'fast failover', settings: FAST_FAILOVER },
} as const satisfies Record<string, { label: string; settings: Readonly<Record<string, string>> }>;
export type Profile = keyof typeof PROFILES;
