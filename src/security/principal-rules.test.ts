import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalRules, principalName } from './principal-rules.ts';

const NAME = 'CN=Alice,OU=Payments,O=Example,C=DE';

function mapped(text: string, name = NAME): string | undefined {
  const parsed = parsePrincipalRules(text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message);
  return principalName(parsed.rules, name);
}

test('the first rule that matches the whole name counts', () => {
  const rules = 'RULE:^CN=(.*?),OU=Service.*$/$1/, RULE:CN=(.*?),OU=(.*?),.*/$1@$2/L,DEFAULT';
  assert.equal(mapped(rules), 'alice@payments');
  assert.equal(mapped(rules, 'CN=kafka,OU=Service,C=DE'), 'kafka');
  assert.equal(mapped(rules, 'CN=other'), 'CN=other');
  assert.equal(mapped('RULE:CN=Alice/x/'), undefined, 'part of the name is not enough');
  assert.equal(mapped('RULE:^CN=(.*?),.*$/$1/U'), 'ALICE');
});

test('nothing and DEFAULT take the name as it is', () => {
  for (const text of ['', ' ', 'DEFAULT', ' DEFAULT ']) assert.equal(mapped(text), NAME);
});

test('a comma may stand in a pattern, and an escaped slash', () => {
  assert.equal(mapped('RULE:CN=([^,]+),.*/a\\/$1/'), 'a/Alice');
  assert.equal(mapped('RULE:CN=a\\/b/x/', 'CN=a/b'), 'x');
});

test('what is no rule is told', () => {
  for (const text of ['RULE:CN=x', 'RULE:a/b', 'default', 'RULE:(/x/', 'DEFAULT;DEFAULT', 'x'.repeat(5000)]) {
    assert.equal(parsePrincipalRules(text).ok, false, text.slice(0, 20));
  }
});

test('a name that is longer than any real one matches nothing', () => {
  assert.equal(mapped('DEFAULT', 'CN='.padEnd(2000, 'a')), undefined);
});
