/**
 * The part of the gateway that runs inside a sandbox: it starts the program, and carries connections between its
 * loopback and the gateway's sockets, because a sandbox without network shares no other way. Run by the same Node; it
 * is handed over as text, so `forward` may name nothing outside itself.
 */

export interface ForwardSettings {
  /** Unix socket of the gateway's proxy, shown to the program as http://127.0.0.1:3128. */
  readonly egress?: string | undefined;
  /** Unix socket where the gateway asks for connections to the program's own port. */
  readonly tunnel?: string | undefined;
}

export const PROXY_PORT = 3128;

/** argv: settings as JSON, then the program's own command line. */
export function forward(proxyPort: number): void {
  const net = process.getBuiltinModule('node:net');
  const { spawn } = process.getBuiltinModule('node:child_process');
  const [, , settingsText = '{}', command = '', ...args] = process.argv;
  const { egress, tunnel }: ForwardSettings = JSON.parse(settingsText);

  const join = (a: import('node:net').Socket, b: import('node:net').Socket) => {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  };

  /** One line `port id` per connection that the gateway wants; each is answered by one of our own, named by its id. */
  function serveTunnel(path: string): void {
    const control = net.connect(path, () => control.write('control\n'));
    let rest = '';
    control.setEncoding('utf8');
    control.on('error', () => process.exit(70));
    control.on('close', () => process.exit(70));
    control.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [port = '', id = ''] = line.split(' ');
        const inner = net.connect(Number(port), '127.0.0.1');
        const refuse = () => control.write(`refused ${id}\n`);
        inner.once('error', refuse);
        inner.once('connect', () => {
          inner.off('error', refuse);
          const outer = net.connect(path, () => outer.write(`${id}\n`));
          join(inner, outer);
        });
      }
    });
  }

  function start(): void {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(127);
    });
    child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128));
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  }

  if (tunnel !== undefined) serveTunnel(tunnel);
  if (egress === undefined) {
    start();
  } else {
    const proxy = net.createServer((socket) => join(socket, net.connect(egress)));
    proxy.on('error', () => process.exit(71));
    proxy.listen(proxyPort, '127.0.0.1', start);
  }
}

export const forwarderText = `(${forward.toString()})(${PROXY_PORT});\n`;
