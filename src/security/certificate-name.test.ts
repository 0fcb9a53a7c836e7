import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT, ODD, SERVER } from '../base/test-certificates.ts';
import { CertificateError, subjectOf } from './certificate-name.ts';

const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');

// What Java's X500Principal.getName() says of the same certificates.
test('a subject is shown as Java shows it, last part first', () => {
  assert.equal(subjectOf(der(CLIENT.certificate)), 'CN=alice,OU=Payments,O=Example Corp,C=DE');
  assert.equal(subjectOf(der(SERVER.certificate)), 'CN=broker,O=Example');
});

test('what has a meaning in the text is escaped, and types without a word are shown by number and bytes', () => {
  assert.equal(
    subjectOf(der(ODD.certificate)),
    '1.2.840.113549.1.9.1=#16086140622e74657374,2.5.4.5=#130137,CN=\\#y,CN=\\ \\#x\\ ,' +
      'O=Ä\\, \\"B\\" \\+ C\\=\\\\D\\;\\<E\\>,DC=test,C=DE',
  );
});

test('bytes that are no certificate are an error, wherever they end or change', () => {
  const bytes = der(ODD.certificate);
  for (let length = 0; length < 300; length++) {
    assert.throws(() => subjectOf(bytes.subarray(0, length)), CertificateError);
  }
  for (let position = 0; position < 300; position++) {
    for (const value of [0, 0x80, 0x84, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[position] = value;
      try {
        subjectOf(changed);
      } catch (error) {
        assert.ok(error instanceof CertificateError, String(error));
      }
    }
  }
});
