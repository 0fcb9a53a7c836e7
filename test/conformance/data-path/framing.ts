/** ApiVersions, and requests that cannot be read. */
import type { TestContext } from 'node:test';

import { HANDLERS } from '../../../src/broker/handlers.ts';
import { request } from '../raw-connection.ts';
import type { Answer, TwoBrokers } from '../two-brokers.ts';

const API_VERSIONS = 18;
const METADATA = 3;
const LIST_OFFSETS = 2;
const SERVED = new Set(HANDLERS.map(({ api }) => api.key));

export async function framingScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  await both.scenario(t, 'ApiVersions', async () => {
    const software = { clientSoftwareName: 'conformance', clientSoftwareVersion: '1.0' };
    const ask = async (what: string, version: number, body: object) => {
      const uncompared = { except: 'compared below, without the keys that Headrace does not serve yet' };
      const answers = await both.same(what, API_VERSIONS, version, body, { ...uncompared, by: 'versions' });
      both.equal(`ApiVersions v${version} ${what}`, answers.map(served));
    };
    for (let version = 0; version <= 5; version++) await ask('ordinary', version, software);
    for (const name of ['', ' ', 'a b', '-a', 'a-', 'ä', 'a.b-c', 'x'.repeat(300)]) {
      await ask(`of "${name.slice(0, 10)}"`, 4, { ...software, clientSoftwareName: name });
      await ask(`version "${name.slice(0, 10)}"`, 4, { ...software, clientSoftwareVersion: name });
    }
    await ask('of another cluster', 5, { ...software, clusterId: 'another' });
    await ask('of another node', 5, { ...software, nodeId: 9 });
    await ask('of another cluster and node', 5, { ...software, clusterId: 'another', nodeId: 9 });
    await ask('of this node', 5, { ...software, nodeId: 1 });
  });

  await both.scenario(t, 'Requests that cannot be read', async () => {
    const metadata = request(METADATA, 9, { topics: [], allowAutoTopicCreation: false }, 'raw');
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(metadata);
      bytes.writeInt16BE(value, at);
      return bytes;
    };
    const framed = (body: Buffer): Buffer => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(body.length);
      return Buffer.concat([size, body]);
    };
    for (const key of [4, 5, 6, 7, 999, -1]) await both.sameBytes(`key ${key}`, changed(4, key));
    for (const version of [14, 99, -1])
      await both.sameBytes(`Metadata version ${version}`, changed(6, version));
    for (const key of [0, 1, 2, 8, 9]) {
      const old = framed(
        Buffer.concat([Buffer.from([0, key, 0, 0, 0, 0, 0, 7, 255, 255]), Buffer.alloc(20)]),
      );
      await both.sameBytes(`key ${key} in version 0, which is gone`, old);
    }
    const nothing = request(LIST_OFFSETS, 8, { replicaId: -1, topics: [] }, 'raw').subarray(4);
    const whole = metadata.subarray(4);
    for (let length = 0; length < whole.length; length++) {
      await both.sameBytes(`Metadata cut off after ${length}`, framed(whole.subarray(0, length)));
    }
    await both.sameBytes(
      'something after the request',
      framed(Buffer.concat([nothing, Buffer.from('more')])),
    );
    for (const size of [-1, 2 ** 31 - 1, 104_857_601]) {
      const bytes = Buffer.from(metadata);
      bytes.writeInt32BE(size, 0);
      await both.sameBytes(`a frame of ${size}`, bytes);
    }
    const versions = (version: number) => {
      const bytes = request(API_VERSIONS, 4, { clientSoftwareName: 'a', clientSoftwareVersion: '1' }, 'raw');
      bytes.writeInt16BE(version, 6);
      return bytes;
    };
    for (const version of [6, 99, -1, 32_767])
      await both.sameBytes(`ApiVersions version ${version}`, versions(version));
  });
}

/** The others belong to kinds of groups, to transactions and to KRaft, which Headrace does not serve yet or never. */
const FEATURES = new Set(['metadata.version']);
const isServed = ({ name }: { name: string }): boolean => FEATURES.has(name);

/** Without the keys and features that Headrace does not serve yet; in other fields all is compared. */
function served(answer: Answer): unknown {
  if (answer?.apiKeys === undefined) return answer;
  const { finalizedFeaturesEpoch, supportedFeatures, finalizedFeatures, ...rest } = answer;
  return {
    ...rest,
    // Counts each cluster's own changes.
    hasEpoch: finalizedFeaturesEpoch >= 0,
    supportedFeatures: supportedFeatures.filter(isServed),
    finalizedFeatures: finalizedFeatures.filter(isServed),
    apiKeys: answer.apiKeys.filter(({ apiKey }: { apiKey: number }) => SERVED.has(apiKey)),
  };
}
