/** A machine of the page: a shell in a network namespace of its own, with a home of its own, which takes block after block. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enter, type Host } from '../faults/network.ts';
import type { CommandBlock } from './document.ts';

const BLOCK_MS_MAX = 180_000;
const OUTPUT_CHARACTERS_SHOWN = 4_000;

export class Machine {
  hasEnded = false;
  readonly #shell: ChildProcessWithoutNullStreams;
  #output = '';
  #blocks = 0;
  #look = (): void => {};

  constructor(host: Host, { folder, programs }: { readonly folder: string; readonly programs: string }) {
    const home = homeOf(folder, host.address);
    mkdirSync(home, { recursive: true });
    const { HOME: _, ...environment } = process.env;
    for (const name of Object.keys(environment)) if (name.startsWith('HEADRACE_')) delete environment[name];
    this.#shell = spawn('nsenter', [...enter(host), 'bash', '--noprofile', '--norc'], {
      cwd: home,
      env: { ...environment, HOME: home, PATH: `${programs}:${process.env['PATH']}` },
    });
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        this.#look();
      });
    }
    this.#shell.on('exit', () => {
      this.hasEnded = true;
      this.#look();
    });
    this.#shell.stdin.write('set -eo pipefail\n');
  }

  /** Rejects when a command fails, with what was printed. The shell has ended then, as `set -e` has it. */
  async run({ commands, line }: CommandBlock): Promise<void> {
    this.#blocks += 1;
    this.#output = '';
    const mark = `--- block ${this.#blocks} is done`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (how: string): void => {
      this.hasEnded = true;
      reject(
        new Error(`line ${line} ${how}:\n${commands}\n---\n${this.#output.slice(-OUTPUT_CHARACTERS_SHOWN)}`),
      );
    };
    const limit = setTimeout(() => fail(`takes longer than ${BLOCK_MS_MAX} ms`), BLOCK_MS_MAX);
    this.#look = () => {
      if (this.#output.includes(mark)) resolve();
      else if (this.hasEnded) fail('failed');
    };
    // Nothing of the block may read what comes after it.
    this.#shell.stdin.write(`{\n${commands}\n} < /dev/null\necho '${mark}'\n`);
    try {
      await promise;
    } finally {
      clearTimeout(limit);
    }
  }

  end(): void {
    this.#shell.kill('SIGKILL');
  }
}

function homeOf(folder: string, address: string): string {
  return join(folder, address);
}

/** A folder for the PATH: what the page takes for granted. There is no ssh between our hosts; their homes lie side by side. */
export function makePrograms(options: {
  readonly folder: string;
  readonly root: string;
  readonly etcd: string;
  /** A folder with etcdctl and etcdutl. */
  readonly tools: string | undefined;
  /** The class path of Kafka's tools. */
  readonly kafka: string | undefined;
}): string {
  const { folder, root, etcd, tools, kafka } = options;
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  symlinkSync(join(root, 'bin', 'headrace'), join(programs, 'headrace'));
  if (etcd !== 'etcd') symlinkSync(etcd, join(programs, 'etcd'));
  for (const name of tools === undefined ? [] : ['etcdctl', 'etcdutl']) {
    symlinkSync(join(tools!, name), join(programs, name));
  }
  makeScript(join(programs, 'scp'), [
    '# scp FILE... HOST:FOLDER/',
    'to="${@: -1}"',
    `cp "\${@:1:$#-1}" "${folder}/\${to%%:*}/\${to#*:}"`,
  ]);
  if (kafka !== undefined) {
    makeScript(join(programs, 'kafka-configs.sh'), [
      `exec java -cp '${kafka}' kafka.admin.ConfigCommand "$@"`,
    ]);
  }
  return programs;
}

function makeScript(path: string, lines: readonly string[]): void {
  writeFileSync(path, `${['#!/bin/bash', ...lines].join('\n')}\n`);
  chmodSync(path, 0o755);
}
