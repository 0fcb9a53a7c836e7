/**
 * Hosts of our own on one machine: a network namespace each, joined by a bridge that lies in a namespace, too, so that
 * nothing of the machine's own network is touched. What is dropped between hosts is dropped where it arrives, by nftables.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const FOLDER = '/run/netns';
const SUBNET = '10.213.0';
/** Names begin with it and the number of the process that made them, so that what a killed one left is known. */
const PREFIX = 'hrf';

export interface Host {
  readonly name: string;
  readonly address: string;
}

/** What is dropped of what goes from one host to another: all, or a share in percent. */
export interface Drop {
  readonly from: Host;
  readonly to: Host;
  readonly percent?: number;
}

/** A namespace's name is `<prefix><pid>-<host>`; the host's number is the last byte of its address. */
export function hostOf(owner: number, [name, number]: readonly [string, number]): Host {
  return { name: `${PREFIX}${owner}-${name}`, address: `${SUBNET}.${number}` };
}

/** Makes the hosts. They stay until `removeNetwork`. */
export function makeNetwork(owner: number, hosts: readonly Host[]): void {
  const hub = `${PREFIX}${owner}-hub`;
  ip([], `netns add ${hub}`);
  ip(['-n', hub], 'link add br0 type bridge', 'link set br0 up');
  for (const [index, { name, address }] of hosts.entries()) {
    ip([], `netns add ${name}`);
    ip(['-n', name], `link add eth0 type veth peer name v${index} netns ${hub}`);
    ip(['-n', hub], `link set v${index} master br0`, `link set v${index} up`);
    ip(['-n', name], `addr add ${address}/24 dev eth0`, 'link set eth0 up', 'link set lo up');
  }
}

/** Ends every process in the namespaces that `owner` made, and removes them. */
export function removeNetwork(owner: number): void {
  for (const name of namespaces().filter((one) => one.startsWith(`${PREFIX}${owner}-`))) {
    for (const pid of processesIn(name)) {
      try {
        if (pid !== process.pid) process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    quietly(() => ip([], `netns del ${name}`));
  }
}

/** Owners of namespaces that are there, though they themselves are not. */
export function deadOwners(): number[] {
  const owners = namespaces().flatMap((name) => {
    const match = new RegExp(`^${PREFIX}(\\d+)-`).exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return [...new Set(owners)].filter((pid) => !isAlive(pid));
}

export function processesIn(name: string): number[] {
  return quietly(() => execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }), '')
    .split('\n')
    .filter(Boolean)
    .map(Number);
}

/** The arguments with which `nsenter` runs a program on a host; the program gets nsenter's own process id. */
export function enter(host: Host): string[] {
  return [`--net=${FOLDER}/${host.name}`];
}

/** What is dropped between the hosts now; each fault adds its own drops, and takes them away. */
export class Drops {
  readonly #hosts: readonly Host[];
  readonly #drops = new Set<Drop>();

  constructor(hosts: readonly Host[]) {
    this.#hosts = hosts;
  }

  add(drops: readonly Drop[]): void {
    for (const drop of drops) this.#drops.add(drop);
    this.#apply(drops);
  }

  remove(drops: readonly Drop[]): void {
    for (const drop of drops) this.#drops.delete(drop);
    this.#apply(drops);
  }

  #apply(changed: readonly Drop[]): void {
    for (const host of this.#hosts) {
      if (!changed.some(({ to }) => to === host)) continue;
      const rules = [...this.#drops]
        .filter(({ to }) => to === host)
        .map(
          ({ from, percent }) =>
            `ip saddr ${from.address} ${percent === undefined ? '' : `numgen random mod 100 < ${percent} `}drop`,
        );
      const table = [
        'table inet faults {',
        'chain arriving {',
        'type filter hook input priority 0;',
        ...rules,
        '}',
        '}',
      ].join('\n');
      execFileSync('nsenter', [...enter(host), 'nft', '-f', '-'], {
        // Made anew in one step, so that no rule is missing in between.
        input: `table inet faults\ndelete table inet faults\n${table}\n`,
      });
    }
  }
}

/** Both directions between each of `some` and each of `others`. */
export function between(some: readonly Host[], others: readonly Host[], percent?: number): Drop[] {
  return some.flatMap((one) =>
    others.flatMap((other) => [...oneWay(one, other, percent), ...oneWay(other, one, percent)]),
  );
}

export function oneWay(from: Host, to: Host, percent?: number): Drop[] {
  if (from === to) return [];
  return [{ from, to, ...(percent === undefined ? {} : { percent }) }];
}

function namespaces(): string[] {
  return quietly(() => readdirSync(FOLDER), []);
}

/** Whether there is a process of this id. */
export function isAlive(pid: number): boolean {
  return quietly(() => process.kill(pid, 0), false);
}

function ip(flags: readonly string[], ...commands: readonly string[]): void {
  execFileSync('ip', [...flags, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

function quietly<T>(act: () => T, otherwise?: T): T {
  try {
    return act();
  } catch {
    return otherwise as T;
  }
}
