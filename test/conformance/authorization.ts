/**
 * The official suite's `authorization` mode against the built-in authorization server. It prints an authorization URL and
 * waits for a browser, which is scripted here.
 *
 * Its scenarios for clients (`auth/…`, PROTOCOL 4) test a program that signs in at an MCP server of somebody else. The
 * gateway doesn't yet: upstream it sends a credential that was configured, or an identity assertion (ID-JAG) it obtained,
 * and it follows no upstream's challenge. So none of them applies but `auth/enterprise-managed-authorization`, which asks
 * for an MCP client with a command line of its own; the exchange itself is tested in src/oauth/grants/id-jag.test.ts.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { BrokeredWorld } from '#kit/brokered-world.ts';
import { freePort } from '#kit/listen.ts';
import { type Revision, readOutcome, type ScenarioOutcome, suiteDir } from './suite.ts';

export const authorizationScenarios = ['authorization-server-metadata-endpoint', 'authorization-code-grant'] as const;

const patienceMs = 60_000;

export async function runAuthorizationSuite(
  world: Pick<BrokeredWorld, 'issuer' | 'jar' | 'fields'>,
  revision: Revision,
): Promise<readonly ScenarioOutcome[]> {
  const { issuer } = world;
  const port = await freePort();
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const registration = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  });
  const client = z.object({ client_id: z.string() }).parse(await registration.json());
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const args = ['--client-id', client.client_id, '--resource', `${issuer}/acme/mcp/docs`, '--port', String(port)];
  try {
    await runCli(['--url', issuer, ...args, '--spec-version', revision, '-o', folder], async (url) => {
      // The suite itself listens at the end of the way.
      const jar = world.jar('nowhere:');
      const done = await jar.submit(await jar.open(url), world.fields('corp'));
      if (!done.url.startsWith(redirectUri)) throw new Error(`sign-in ended at ${done.url}`);
    });
    const written = readdirSync(folder);
    return authorizationScenarios.map((scenario) => {
      const name = written.find((entry) => entry.includes(scenario));
      if (name !== undefined) return { ...readOutcome(join(folder, name), name, new Set()), scenario, required: true };
      return { scenario, required: true, passed: 0, failed: 1, failures: ['the suite wrote no result'] };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its exit code is not asked: what it wrote counts. */
function runCli(args: readonly string[], browse: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [join(suiteDir, 'dist/index.js'), 'authorization', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: patienceMs,
  });
  let printed = '';
  let browsing: Promise<void> | undefined;
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
      const url = /^(http\S+\/authorize\?\S+)\n/m.exec(printed)?.[1];
      if (url === undefined || browsing) return;
      browsing = browse(url);
      browsing.catch((error) => {
        child.kill();
        reject(error);
      });
    });
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
}
