/**
 * Reads `listeners`, `advertised.listeners` and `listener.security.protocol.map`. Problems come back as
 * sentences that name the setting and the way to put it right.
 */
import { splitList } from './parse.ts';

export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
const SECURITY_PROTOCOLS: readonly string[] = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];

export interface ListenerAddress {
  /** The listener's name, in upper case as Kafka keeps it. */
  readonly name: string;
  readonly securityProtocol: SecurityProtocol;
  /** Empty when none was given: the server chooses, within what the security rules allow. */
  readonly host: string;
  /** 0 to 65535; 0 takes a free one. */
  readonly port: number;
}

export interface ListenerSettings {
  readonly listeners: readonly ListenerAddress[];
  /** What clients are told; hosts are never empty, unless the listener's own was. */
  readonly advertisedListeners: readonly ListenerAddress[];
  readonly interBrokerListenerName: string;
}

export interface ListenerTexts {
  readonly listeners: string;
  readonly advertisedListeners: string | null;
  readonly securityProtocolMap: string;
  readonly controllerListenerNames: string;
  readonly interBrokerListenerName: string | null;
  readonly interBrokerProtocol: string;
}

export interface Findings {
  readonly errors: string[];
  readonly warnings: string[];
}

/** Undefined when there were errors, which are added to `findings`. */
export function readListeners(texts: ListenerTexts, findings: Findings): ListenerSettings | undefined {
  const before = findings.errors.length;
  const protocols = protocolMap(texts.securityProtocolMap, findings);
  const skipped = new Set(splitList(texts.controllerListenerNames).map((name) => name.toUpperCase()));
  const all = addresses('listeners', texts.listeners, { protocols, skipped, findings });
  const listeners = all.filter((one) => !skipped.has(one.name));
  for (const one of all) {
    if (skipped.has(one.name)) {
      findings.warnings.push(
        `listeners: ${one.name} is skipped, it is named in controller.listener.names ` +
          'and Headrace has no controller listener',
      );
    }
  }
  if (listeners.length === 0 && findings.errors.length === before) {
    findings.errors.push(
      'listeners: no listener for clients is left; give one that controller.listener.names does not name',
    );
  }
  const advertised =
    texts.advertisedListeners === null
      ? listeners
      : addresses('advertised.listeners', texts.advertisedListeners, { protocols, skipped, findings }).filter(
          (one) => !skipped.has(one.name),
        );
  const interBroker = interBrokerName(texts, listeners);
  checkNames(listeners, advertised, interBroker, findings);
  if (findings.errors.length > before) return undefined;
  return { listeners, advertisedListeners: advertised, interBrokerListenerName: interBroker! };
}

function interBrokerName(texts: ListenerTexts, listeners: readonly ListenerAddress[]): string | undefined {
  if (texts.interBrokerListenerName !== null) return texts.interBrokerListenerName.toUpperCase();
  const matching = listeners.find((one) => one.securityProtocol === texts.interBrokerProtocol);
  return matching?.name ?? listeners[0]?.name;
}

function checkNames(
  listeners: readonly ListenerAddress[],
  advertised: readonly ListenerAddress[],
  interBroker: string | undefined,
  findings: Findings,
): void {
  const names = new Set(listeners.map((one) => one.name));
  for (const one of advertised) {
    if (!names.has(one.name)) {
      findings.errors.push(
        `advertised.listeners: ${one.name} is not in listeners; use one of ${[...names].join(', ')}`,
      );
    }
    if (one.host === '0.0.0.0' || one.host === '::') {
      findings.errors.push(
        `advertised.listeners: clients cannot connect to ${one.host}; set it to an address they can reach`,
      );
    }
  }
  if (interBroker !== undefined && names.size > 0 && !names.has(interBroker)) {
    findings.errors.push(
      `inter.broker.listener.name: ${interBroker} is not in listeners; use one of ${[...names].join(', ')}`,
    );
  }
}

interface AddressContext {
  readonly protocols: ReadonlyMap<string, SecurityProtocol>;
  readonly skipped: ReadonlySet<string>;
  readonly findings: Findings;
}

function addresses(setting: string, text: string, context: AddressContext): ListenerAddress[] {
  const found: ListenerAddress[] = [];
  for (const one of splitList(text)) {
    const match = /^([A-Za-z0-9_.-]+):\/\/(?:\[([0-9A-Fa-f:.%]*)\]|([^:/[\]]*)):(\d{1,5})$/.exec(one);
    const port = Number(match?.[4]);
    if (match === null || port > 65_535) {
      context.findings.errors.push(`${setting}: ${one} is not of the form NAME://host:port`);
      continue;
    }
    const name = match[1]!.toUpperCase();
    const securityProtocol =
      context.protocols.get(name) ?? (context.skipped.has(name) ? 'PLAINTEXT' : undefined);
    if (securityProtocol === undefined) {
      context.findings.errors.push(
        `${setting}: ${name} has no security protocol; ` +
          `add ${name}:PLAINTEXT (or another) to listener.security.protocol.map`,
      );
      continue;
    }
    found.push({ name, securityProtocol, host: match[2] ?? match[3]!, port });
  }
  checkRepeats(setting, found, context.findings);
  return found;
}

function checkRepeats(setting: string, found: readonly ListenerAddress[], findings: Findings): void {
  const names = new Set<string>();
  const ports = new Set<string>();
  for (const { name, host, port } of found) {
    if (names.has(name))
      findings.errors.push(`${setting}: ${name} occurs twice; give each listener its own name`);
    const address = `${host}:${port}`;
    if (setting === 'listeners' && port !== 0 && ports.has(address)) {
      findings.errors.push(`${setting}: port ${port} occurs twice; give each listener its own port`);
    }
    names.add(name);
    ports.add(address);
  }
}

function protocolMap(text: string, findings: Findings): Map<string, SecurityProtocol> {
  const map = new Map<string, SecurityProtocol>();
  for (const one of splitList(text)) {
    const [name, protocol] = one.split(':').map((part) => part.trim().toUpperCase());
    if (name === undefined || protocol === undefined || !SECURITY_PROTOCOLS.includes(protocol)) {
      const choices = SECURITY_PROTOCOLS.join(', ');
      findings.errors.push(
        `listener.security.protocol.map: ${one} is not of the form NAME:PROTOCOL, PROTOCOL one of ${choices}`,
      );
      continue;
    }
    map.set(name, protocol as SecurityProtocol);
  }
  return map;
}
