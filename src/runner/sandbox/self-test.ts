/** Whether a sandbox keeps what it promises here, found out by a program inside it. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Launch, startLaunch } from '#runner/launch.ts';

interface Report {
  readonly uid: number;
  readonly noNewPrivileges: boolean;
  readonly seccomp: boolean;
  readonly shadow: boolean;
  readonly interfaces: readonly string[];
  readonly reached: boolean;
  readonly writable: boolean;
}

const TIMEOUT_MS = 10_000;

/** Runs inside: it may name nothing outside itself. */
function report(): void {
  const fs = process.getBuiltinModule('node:fs');
  const net = process.getBuiltinModule('node:net');
  const succeeds = (run: () => void) => {
    try {
      run();
      return true;
    } catch {
      return false;
    }
  };
  const status = fs.readFileSync('/proc/self/status', 'latin1');
  const devices = fs.readFileSync('/proc/net/dev', 'latin1');
  const found = {
    uid: process.getuid?.(),
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    seccomp: /^Seccomp:\s*2$/m.test(status),
    shadow: succeeds(() => fs.readFileSync('/etc/shadow')),
    interfaces: [...devices.matchAll(/^\s*([^\s:|]+):/gm)].map(([, name]) => name),
    writable: succeeds(() => fs.writeFileSync('/usr/.gatehouse', '')) || succeeds(() => fs.writeFileSync('/x', '')),
  };
  const tell = (reached: boolean) => {
    process.stdout.write(`${JSON.stringify({ ...found, reached })}\n`, () => process.exit(0));
  };
  const socket = net.connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('connect', () => tell(true));
  socket.on('error', () => tell(false));
}

const scriptText = `(${report.toString()})()`;

/** `launch`: puts a command line of the running Node into the sandbox. Resolves to what is wrong; undefined: nothing. */
export async function testSandbox(launch: (args: readonly string[]) => Launch): Promise<string | undefined> {
  const outside = createServer((socket) => socket.destroy());
  outside.listen(0, '127.0.0.1');
  try {
    await once(outside, 'listening');
    const address = outside.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return judge(await run(launch(['-e', scriptText, String(port)])));
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'it could not be started';
  } finally {
    outside.close();
  }
}

function run(launch: Launch): Promise<string> {
  const child = startLaunch(launch);
  return new Promise((resolve, reject) => {
    let out = '';
    let complaint = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    child.stdout.on('data', (chunk: Buffer) => {
      if (out.length < 10_000) out += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 1000) complaint += chunk.toString('utf8');
    });
    child.stdin.on('error', () => {});
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      launch.release?.();
      if (code === 0) resolve(out);
      else reject(new Error(`it ended with ${code}: ${complaint.trim().slice(0, 300)}`));
    });
  });
}

function judge(text: string): string | undefined {
  const found: Report = JSON.parse(text);
  const wrong = [
    found.uid !== 65_534 && `its user is ${found.uid}`,
    !found.noNewPrivileges && 'it may gain privileges',
    !found.seccomp && 'no system call is refused',
    found.shadow && '/etc/shadow is readable',
    found.writable && 'system folders are writable',
    (found.reached || found.interfaces.some((name) => name !== 'lo')) && 'the network is reachable',
  ].filter((one) => one !== false);
  return wrong.length === 0 ? undefined : wrong.join(', ');
}
