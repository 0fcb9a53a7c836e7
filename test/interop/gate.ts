// Stands between a client and a server on the loopback interface: connections through it can be cut, and refused.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Gate {
  readonly port: number;
  /** Ends all connections; new ones are taken. */
  cut(): void;
  /** Ends all connections and refuses new ones. */
  shut(): Promise<void>;
  open(): Promise<void>;
  discard(): Promise<void>;
}

export async function openGate(toPort: number): Promise<Gate> {
  const sockets = new Set<Socket>();
  const hold = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  };
  let server: Server | undefined;
  const listen = async (port: number): Promise<number> => {
    const listening = createServer((socket) => {
      const onward = connect(toPort, '127.0.0.1');
      hold(socket, onward);
      hold(onward, socket);
    });
    listening.listen(port, '127.0.0.1');
    await once(listening, 'listening');
    server = listening;
    return (listening.address() as AddressInfo).port;
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const shut = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    cut();
    if (closing === undefined) return;
    closing.close();
    await once(closing, 'close');
  };
  const port = await listen(0);
  return { port, cut, shut, open: async () => void (await listen(port)), discard: shut };
}

/** Takes connections and never says a word. */
export async function silentServer(): Promise<{ readonly port: number; discard(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async discard() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
