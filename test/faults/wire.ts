/**
 * `node wire.ts ADDRESS ROUTES`: stands before a broker's listeners and passes on what clients and broker say; told so over
 * the control port, it delays, drips, cuts, holds requests back or sends them twice (wire-control.ts). It knows of Kafka's
 * protocol only where a request begins and which API it asks for.
 */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CONTROL_PORT, type Meddling, type Route, type WireMode } from './wire-control.ts';

const DRIP_BYTES = 48;
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024;
/** After a request that came late or twice its answer is waited for, and thrown away. */
const LATE_ANSWER_MS = 3_000;
const CUT_INTERVAL_MS = 1_000;

const [address, routesText] = process.argv.slice(2);
const routes = JSON.parse(routesText!) as Route[];
let mode: WireMode = {};
const counts: Record<string, number> = {};
const pairs = new Set<{ readonly client: Socket; readonly broker: Socket }>();

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

/** One direction: what comes in leaves in its order, each chunk at its time. */
class Lane {
  readonly #to: Socket;
  #lastDueMs = 0;
  #tail: Promise<void> = Promise.resolve();
  #waitingBytes = 0;

  constructor(to: Socket) {
    this.#to = to;
  }

  send(bytes: Buffer, from: Socket): void {
    const { delayMs = 0, jitterMs = 0, drips = false } = mode;
    const isIdle = this.#waitingBytes === 0;
    if (isIdle && delayMs === 0 && !drips) {
      if (!this.#to.write(bytes)) this.#backPressure(from);
      return;
    }
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > BUFFERED_BYTES_MAX) from.pause();
    const nowMs = performance.now();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delayMs + Math.random() * jitterMs);
    const dueMs = this.#lastDueMs;
    this.#tail = this.#tail.then(async () => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await delay(leftMs);
      if (drips) await this.#drip(bytes);
      else this.#to.write(bytes);
      this.#waitingBytes -= bytes.length;
      if (from.isPaused() && this.#waitingBytes < BUFFERED_BYTES_MAX) from.resume();
    });
  }

  /** After all that was sent. */
  end(): void {
    this.#tail = this.#tail.then(() => void this.#to.end());
  }

  async #drip(bytes: Buffer): Promise<void> {
    const begin = Math.min(DRIP_BYTES, bytes.length);
    for (let at = 0; at < begin; at++) {
      this.#to.write(bytes.subarray(at, at + 1));
      await delay(0);
    }
    if (bytes.length > begin) this.#to.write(bytes.subarray(begin));
  }

  #backPressure(from: Socket): void {
    from.pause();
    this.#to.once('drain', () => from.resume());
  }
}

/** Cuts what a client sends into requests. */
class Requests {
  #rest: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const found: Buffer[] = [];
    while (this.#rest.length >= 4) {
      const end = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) break;
      found.push(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
    return found;
  }
}

function pass(client: Socket, to: number): void {
  const broker = connect({ host: address!, port: to, noDelay: true, allowHalfOpen: true });
  client.setNoDelay(true);
  const pair = { client, broker };
  pairs.add(pair);
  const up = new Lane(broker);
  const down = new Lane(client);
  const requests = new Requests();
  let isHeld = false;
  client.on('data', (chunk: Buffer) => {
    for (const request of requests.take(chunk)) {
      if (isHeld) return;
      if (meddles(mode.hold, request)) {
        isHeld = true;
        count(`hold ${request.readInt16BE(4)}`);
        const waitMs = Math.random() * mode.hold!.delayMsMax;
        pairs.delete(pair);
        client.resetAndDestroy();
        void late(broker, request, waitMs);
        return;
      }
      if (meddles(mode.double, request)) void again(request, to, Math.random() * mode.double!.delayMsMax);
      up.send(request, client);
    }
  });
  broker.on('data', (chunk: Buffer) => {
    if (!isHeld) down.send(chunk, broker);
  });
  client.on('error', () => {}).on('end', () => up.end());
  broker.on('error', () => {}).on('end', () => down.end());
  client.on('close', () => {
    pairs.delete(pair);
    if (!isHeld) broker.destroy();
  });
  broker.on('close', () => {
    pairs.delete(pair);
    client.destroy();
  });
}

function meddles(meddling: Meddling | undefined, request: Buffer): boolean {
  if (meddling === undefined || request.length < 12) return false;
  return meddling.apis.includes(request.readInt16BE(4)) && Math.random() < meddling.chance;
}

async function late(broker: Socket, request: Buffer, waitMs: number): Promise<void> {
  await delay(waitMs);
  broker.write(request);
  await delay(LATE_ANSWER_MS);
  broker.destroy();
}

async function again(request: Buffer, to: number, waitMs: number): Promise<void> {
  count(`double ${request.readInt16BE(4)}`);
  const copy = Buffer.from(request);
  await delay(waitMs);
  const broker = connect({ host: address!, port: to, noDelay: true });
  broker.on('error', () => {}).on('data', () => {});
  await late(broker, copy, 0);
}

for (const { from, to } of routes) {
  createServer({ allowHalfOpen: true, noDelay: true }, (client) => pass(client, to)).listen(from, address);
}
setInterval(() => {
  const { resetChance = 0, halfCloseChance = 0 } = mode;
  for (const { client, broker } of pairs) {
    if (Math.random() < resetChance) {
      count('reset');
      client.resetAndDestroy();
      broker.resetAndDestroy();
    } else if (Math.random() < halfCloseChance) {
      count('half-close');
      if (Math.random() < 0.5) client.end();
      else broker.end();
    }
  }
}, CUT_INTERVAL_MS);
createServer({ allowHalfOpen: true }, (socket) => {
  let text = '';
  socket.setEncoding('utf8').on('error', () => {});
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('end', () => {
    mode = JSON.parse(text) as WireMode;
    socket.end(JSON.stringify(counts));
  });
}).listen(CONTROL_PORT, address, () => process.stdout.write('wire ready\n'));
