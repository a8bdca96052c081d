import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createKey, startGateway } from '#kit/gateway.ts';
import { bearer, initialize, send } from '#kit/http-client.ts';
import { commandLine, descendants } from '#kit/process.ts';
import { noSandbox } from '#kit/sandbox.ts';

const script = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-memory/dist/index.js');
// With people of its own it is no demo: there programs run without a sandbox.
const configYaml = `
identity: [{ kind: local }]
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: memory, transport: { kind: stdio, command: node, args: ['${script}'], state: stateful } }
collections:
  - { organization: acme, name: memory, allowedRoles: '*', bindings: [{ server: memory }] }
enablements: [{ organization: acme, server: memory, allMembers: true }]
`;

/** What waits for process 1 of the machine to take note of its end no longer runs. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

async function start(env: Readonly<Record<string, string>> = {}) {
  const gateway = await startGateway({
    configYaml,
    env: { ENCRYPTION_KEY: randomBytes(32).toString('base64'), ...env },
  });
  const key = await createKey(gateway, 'acme');
  const ask = () => send(`${gateway.url}/acme/mcp/memory`, { headers: bearer(key), body: initialize() });
  const programs = () => descendants(gateway.pid).filter((pid) => commandLine(pid).includes('server-memory'));
  return { gateway, ask, programs };
}

describe.skipIf(noSandbox !== '')('a gateway with a sandbox', () => {
  test('runs its programs in it, and none outlives it by two seconds, however it ends [G9] [X1.5]', async () => {
    for (const end of ['stop', 'kill9'] as const) {
      const { gateway, ask, programs } = await start();
      expect((await ask()).status).toBe(200);
      const pids = programs();
      expect(pids.map(commandLine).some((line) => line.includes('bwrap'))).toBe(true);
      await gateway[end]();
      await expect.poll(() => pids.filter(runs), { timeout: end === 'kill9' ? 2000 : 8000 }).toEqual([]);
    }
  }, 90_000);
});

test('a gateway without bubblewrap says that there is no sandbox, and starts no program [R14]', async () => {
  const { gateway, ask, programs } = await start({ PATH: dirname(process.execPath) });
  const { status, text } = await ask();
  expect(status).toBeGreaterThanOrEqual(500);
  expect(text).not.toContain('bwrap');
  expect(programs()).toEqual([]);
  await expect.poll(() => gateway.output()).toContain('sandbox');
  await gateway.stop();
}, 60_000);
