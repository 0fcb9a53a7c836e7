/** The page about the protocol says what the code does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { PROTOCOL_SUPPORT, protocolSupport } from '../../scripts/protocol-docs.ts';

test('docs/protocol-support.md is as scripts/protocol-docs.ts would write it now', () => {
  assert.equal(
    readFileSync(PROTOCOL_SUPPORT, 'utf8'),
    protocolSupport(),
    'run: node scripts/protocol-docs.ts',
  );
});
