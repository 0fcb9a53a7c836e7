// What the broker under test serves, asked by ApiVersions: cases that need an API which is not there yet are not
// registered but named, so that they run by themselves once it is. On Kafka every case always runs.
import { WireClient } from '../../bench/wire-client.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import type { JoinOptions } from './peer.ts';
import { startTarget, TARGET } from './target.ts';

const API_VERSIONS_VERSION = 3;

/** The API keys that a case cannot do without. */
const NEEDS = {
  transactions: [24, 26],
  'listing transactions': [66],
  'consumer groups (KIP-848)': [68, 69],
  'share groups': [76, 78, 79],
} as const satisfies Record<string, readonly number[]>;

export type Need = keyof typeof NEEDS;

export interface Advertised {
  readonly apis: ReadonlySet<number>;
  /** finalized levels by name */
  readonly features: ReadonlyMap<string, number>;
}

/** What a running broker says of itself. */
export async function advertised(bootstrap: string): Promise<Advertised> {
  const [host, port] = bootstrap.split(':');
  const client = await WireClient.connect(host!, Number(port));
  try {
    const answer = await client.call(ApiVersionsRequest, ApiVersionsResponse, {
      version: API_VERSIONS_VERSION,
      body: { clientSoftwareName: 'interop', clientSoftwareVersion: '1' },
    });
    return {
      apis: new Set(answer.apiKeys.map((each) => each.apiKey)),
      features: new Map(answer.finalizedFeatures.map((each) => [each.name, each.maxVersionLevel])),
    };
  } finally {
    client.close();
  }
}

/** True for a case that can run; the others are named in a line each. */
export type Serves = (need: Need, what: string) => boolean;

/** Asks a broker of its own, which is gone afterwards. Errors: PeerMissing when Kafka is the target and cannot be had. */
export async function served(): Promise<Serves> {
  if (TARGET === 'kafka') return () => true;
  const target = await startTarget();
  let apis: ReadonlySet<number>;
  try {
    ({ apis } = await advertised(target.bootstrap));
  } finally {
    await target.discard();
  }
  return (need, what) => {
    const lacking = NEEDS[need].filter((key) => !apis.has(key));
    if (lacking.length > 0)
      console.log(`not served by the target yet: ${what} (${need}: ${lacking.join(', ')})`);
    return lacking.length === 0;
  };
}

/** The ways to join a group that can be tried. */
export function servedStyles(serves: Serves, peer: string, styles: JoinOptions[]): JoinOptions[] {
  return styles.filter(
    (style) =>
      style.protocol !== 'consumer' ||
      serves(
        'consumer groups (KIP-848)',
        `${peer}, members join and leave a group (${Object.values(style).join(', ')})`,
      ),
  );
}

/** The features that a broker with these APIs has finalized, as Kafka 4.3 and 4.4 have them for a new cluster. */
export function featuresFor(apis: ReadonlySet<number>): ReadonlyMap<string, number> {
  const features: [string, number][] = [];
  if (apis.has(68)) features.push(['group.version', 1]);
  if (apis.has(24)) features.push(['transaction.version', 2]);
  if (apis.has(76)) features.push(['share.version', 1]);
  if (apis.has(88)) features.push(['streams.version', 1]);
  return new Map(features);
}
