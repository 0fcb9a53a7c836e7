// Installs NestJS with its transport for Kafka, and in place of kafkajs a package that is headrace/kafkajs.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, run } from './peer-cache.ts';

/** It gets kafkajs both ways, by `import` and by `require`. */
export const NEST_VERSION = '12.1.1';
const BESIDES = ['rxjs@7.8.2', 'reflect-metadata@0.2.2'];
/** What the tests use, under one roof. */
const ENTRY = `
import 'reflect-metadata';
export * as rxjs from 'rxjs';
export { Controller, Module } from '@nestjs/common';
export { NestFactory } from '@nestjs/core';
export * from '@nestjs/microservices';
`;

/** Where the package that stands for kafkajs finds the facade: a path, or a name like `headrace/kafkajs`. */
export const FACADE_VARIABLE = 'HEADRACE_KAFKAJS';
const STAND_IN: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    name: 'kafkajs',
    version: '2.2.4',
    exports: { import: './index.mjs', require: './index.cjs' },
  }),
  'index.cjs': `module.exports = require(process.env.${FACADE_VARIABLE});\n`,
  'index.mjs': `import kafkajs from './index.cjs';
export default kafkajs;
export const { Kafka, logLevel, AssignerProtocol, PartitionAssigners, Partitioners } = kafkajs;
`,
};

/** The path of a module that exports what the tests use. Errors: PeerMissing. */
export async function installNest(): Promise<string> {
  const packages = ['core', 'common', 'microservices'].map((name) => `@nestjs/${name}@${NEST_VERSION}`);
  const folder = await cached(
    `nestjs-${NEST_VERSION}`,
    [...packages, ...BESIDES, ENTRY, ...Object.values(STAND_IN)],
    async (into) => {
      writeFileSync(join(into, 'package.json'), '{ "private": true }');
      writeFileSync(join(into, 'entry.mjs'), ENTRY);
      const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefix', into];
      await run('npm', ['install', ...options, ...packages, ...BESIDES]);
      const standIn = join(into, 'node_modules', 'kafkajs');
      mkdirSync(standIn);
      for (const [name, text] of Object.entries(STAND_IN)) writeFileSync(join(standIn, name), text);
    },
  );
  return join(folder, 'entry.mjs');
}
