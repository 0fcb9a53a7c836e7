/** The tables of error codes and APIs are Kafka's. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { APIS, requestHeaderVersion, responseHeaderVersion } from '../../src/protocol/apis.ts';
import { Errors, isRetriable } from '../../src/protocol/errors.ts';
import { startJava } from './java-program.ts';
import { orSkip } from './kafka-jars.ts';

const kafka = await orSkip(() => startJava('Codecs'));
after(async () => {
  if ('have' in kafka) await kafka.have.close();
});

async function lines(operation: string): Promise<string[]> {
  assert('have' in kafka);
  const size = Buffer.from([0, operation.length]);
  const answer = await kafka.have.ask(Buffer.concat([size, Buffer.from(operation)]));
  assert.equal(answer[0], 0, answer.toString('utf8', 1));
  return answer.toString('utf8', 1).trimEnd().split('\n');
}

test('error codes, their names and whether they may be retried', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const ours = Object.entries(Errors).map(([name, code]) => `${code} ${name} ${isRetriable(code)}`);
  assert.deepEqual(ours, await lines('errors'));
});

test('API keys, names, offered versions, header versions and listeners', async (t) => {
  if ('skip' in kafka) return t.skip(kafka.skip);
  const ours = APIS.map((api) => {
    const versions: string[] = [];
    for (let version = api.versionMin; version <= api.versionMax; version++) {
      versions.push(
        `${version}/${requestHeaderVersion(api, version)}/${responseHeaderVersion(api, version)}`,
      );
    }
    return [api.key, api.name, !api.isControllerOnly, ...versions].join(' ');
  });
  assert.deepEqual(ours, await lines('apis'));
});
