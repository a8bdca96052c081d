/** What stands in front of the replicas: HAProxy with the shipped configuration, or nginx. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { findInstalled } from '#kit/installed.ts';
import { freePort } from '#kit/listen.ts';
import { hasNginx, startNginx } from '#kit/nginx.ts';

export interface Balancer {
  readonly name: string;
  /** As clients reach it, no slash at the end. */
  readonly url: string;
  /** PEM, where its certificate is nobody's that is known. */
  readonly ca?: string;
  open(replicaPorts: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

const haproxy = findInstalled('haproxy', '-v');
const shipped = join(import.meta.dirname, '../../deploy/replicas/haproxy.cfg');

/** Those that can be had here; best first. */
export const balancerNames: readonly ('haproxy' | 'nginx')[] = [
  ...(haproxy === undefined ? [] : (['haproxy'] as const)),
  ...(hasNginx() ? (['nginx'] as const) : []),
];

export async function makeBalancer(name: 'haproxy' | 'nginx'): Promise<Balancer> {
  const port = await freePort();
  return name === 'haproxy' ? withHaproxy(port, await freePort()) : withNginx(port);
}

function withNginx(port: number): Balancer {
  const opened: { close(): Promise<void> }[] = [];
  return {
    name: 'nginx',
    url: `http://127.0.0.1:${port}`,
    async open(replicaPorts) {
      const servers = replicaPorts.map((replica) => `server 127.0.0.1:${replica} max_fails=1 fail_timeout=1s;`);
      const location = `
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_read_timeout 600s;
      proxy_next_upstream error;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }`;
      opened.push(await startNginx(location, { port, http: `upstream replicas { ${servers.join(' ')} }` }));
    },
    async close() {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

/** The shipped file, with this machine's addresses in place of the containers' names. */
function withHaproxy(port: number, plainPort: number): Balancer {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-haproxy-'));
  const pair = createSelfSigned(['localhost']);
  let child: ChildProcess | undefined;
  return {
    name: 'HAProxy',
    url: `https://localhost:${port}`,
    ca: pair.cert,
    async open(replicaPorts) {
      const pem = join(folder, 'gatehouse.pem');
      writeFileSync(pem, `${pair.cert}\n${pair.key}\n`, { mode: 0o600 });
      const text = replicaPorts.reduce(
        (config, replica, index) => config.replace(`gatehouse-${index + 1}:3000`, `127.0.0.1:${replica}`),
        readFileSync(shipped, 'utf8'),
      );
      const file = join(folder, 'haproxy.cfg');
      writeFileSync(
        file,
        text
          .replace('bind :8080', `bind 127.0.0.1:${plainPort}`)
          .replace('bind :8443', `bind 127.0.0.1:${port}`)
          .replace('/certs/gatehouse.pem', pem)
          .replace(/maxconn \d+/g, 'maxconn 200'),
      );
      const started = spawn(haproxy ?? '', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
      child = started;
      process.once('exit', () => started.kill('SIGKILL'));
      let said = '';
      started.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      for (let tries = 0; tries < 100; tries++) {
        if (started.exitCode !== null) throw new Error(`HAProxy ended: ${said}`);
        const isOpen = await fetch(`http://127.0.0.1:${plainPort}/`, { redirect: 'manual' }).then(
          ({ status }) => status === 308,
          () => false,
        );
        if (isOpen) return;
        await pause(50);
      }
      throw new Error(`HAProxy does not answer: ${said}`);
    },
    async close() {
      if (child && child.exitCode === null) {
        const gone = new Promise((resolve) => child?.once('exit', resolve));
        child.kill('SIGTERM');
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
