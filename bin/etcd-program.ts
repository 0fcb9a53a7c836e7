/**
 * An etcd program for a cluster on one machine: the one that is named, or that of PATH, when it is new enough; else one that
 * is built once through the Go module proxy, by a module of our own around its server (its own module has replace
 * directives, with which `go install` refuses to work).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built, run } from './built-programs.ts';

export const ETCD_VERSION = '3.6.16';
/** The oldest line that is served; tests run against it too. */
export const ETCD_VERSION_OLD = '3.5.35';
const OLDEST = [3, 5] as const;

const goModule = (version: string): string => `module etcdwrap

go 1.26.0

require go.etcd.io/etcd/server/v3 v${version}
`;
const GO_PROGRAM = `package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`;

/** The path of an etcd of 3.5 or newer. `onBuild` is called before a build, which takes a minute or two. */
export async function etcdProgram(
  options: { readonly named?: string | undefined; readonly onBuild?: () => void } = {},
): Promise<string> {
  const { named, onBuild } = options;
  if (named !== undefined) {
    if (!(await isNewEnough(named))) throw new Error(`${named} is no etcd ${OLDEST.join('.')} or newer`);
    return named;
  }
  if (await isNewEnough('etcd')) return 'etcd';
  return builtEtcd(ETCD_VERSION, onBuild);
}

/** The path of an etcd of this version, which is built if it has not been. */
export async function builtEtcd(version: string, onBuild?: () => void): Promise<string> {
  const module = goModule(version);
  const folder = await built('etcd', [module, GO_PROGRAM], async (into) => {
    onBuild?.();
    const source = mkdtempSync(join(tmpdir(), 'headrace-etcd-build-'));
    try {
      writeFileSync(join(source, 'go.mod'), module);
      writeFileSync(join(source, 'main.go'), GO_PROGRAM);
      const where = { cwd: source, env: { CGO_ENABLED: '0' } };
      await run('go', ['mod', 'tidy'], where);
      await run('go', ['build', '-trimpath', '-o', join(into, 'etcd'), '.'], where);
    } finally {
      rmSync(source, { recursive: true, force: true });
    }
  });
  return join(folder, 'etcd');
}

async function isNewEnough(program: string): Promise<boolean> {
  let output: string;
  try {
    output = await run(program, ['--version']);
  } catch {
    return false;
  }
  const match = /etcd Version: (\d+)\.(\d+)/.exec(output);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

const TOOLS_MODULE = `module etcdtools

go 1.26.0

require (
	go.etcd.io/etcd/etcdctl/v3 v${ETCD_VERSION}
	go.etcd.io/etcd/etcdutl/v3 v${ETCD_VERSION}
)
`;
const TOOLS_IMPORTS = `package tools

import (
	_ "go.etcd.io/etcd/etcdctl/v3/ctlv3"
	_ "go.etcd.io/etcd/etcdutl/v3/etcdutl"
)
`;

/** A folder with etcdctl and etcdutl, built once. */
export async function etcdTools(): Promise<string> {
  return built('etcd-tools', [TOOLS_MODULE, TOOLS_IMPORTS], async (into) => {
    const source = mkdtempSync(join(tmpdir(), 'headrace-etcd-build-'));
    try {
      writeFileSync(join(source, 'go.mod'), TOOLS_MODULE);
      writeFileSync(join(source, 'tools.go'), TOOLS_IMPORTS);
      const where = { cwd: source, env: { CGO_ENABLED: '0' } };
      await run('go', ['mod', 'tidy'], where);
      for (const tool of ['etcdctl', 'etcdutl']) {
        await run('go', ['build', '-trimpath', '-o', join(into, tool), `go.etcd.io/etcd/${tool}/v3`], where);
      }
    } finally {
      rmSync(source, { recursive: true, force: true });
    }
  });
}
