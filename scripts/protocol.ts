/**
 * Shows the code that a message is read and written by: `npm run protocol -- Produce 9` for request and response,
 * `npm run protocol -- OffsetCommitValue 4` for a record. Without a version: the newest one.
 */
import { OUR_MESSAGES, versionsOf } from '../test/conformance/our-messages.ts';
import { emit } from '../src/protocol/compile.ts';

const [name, version] = process.argv.slice(2);
const wanted = [name, `${name}Request`, `${name}Response`].map((one) => one?.toLowerCase());
const found = OUR_MESSAGES.filter((message) => wanted.includes(message.name.toLowerCase()));
if (name === undefined || found.length === 0) {
  const names = OUR_MESSAGES.map((message) => message.name.replace(/(Request|Response)$/, ''));
  console.error(`usage: protocol NAME [VERSION], NAME one of\n${[...new Set(names)].sort().join(' ')}`);
  process.exitCode = 1;
}
for (const message of found) {
  const versions = versionsOf(message);
  const at = version === undefined ? versions.at(-1)! : Number(version);
  if (!versions.includes(at)) {
    console.error(`${message.name} has the versions ${versions.join(' ')}`);
    process.exitCode = 1;
    continue;
  }
  const { source, constants } = emit(message, at);
  console.log(
    `// ${message.name} v${at}; read0 and write0 are the message, z = ${JSON.stringify(constants)}${source}\n`,
  );
}
