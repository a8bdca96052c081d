/** The operator's recipes: each leads to something that there is. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findInstalled } from '#kit/installed.ts';
import { cli } from '#kit/run-cli.ts';

const text = readFileSync('justfile', 'utf8');
const just = findInstalled('just', '--version');
const recipes = [...text.matchAll(/^([a-z][a-z-]*)(?: [^:=\n]*(?:=(?:"[^"\n]*"|`[^`\n]*`)[^:\n]*)*)?:(?!=)/gm)].flatMap(
  ([, name]) => name ?? [],
);

/** What the three-layer gateway's operators type (REQUIREMENTS S1.47). */
const known = [
  ...['up', 'down', 'rebuild', 'logs', 'test', 'status', 'setup', 'check-health', 'check-ssl'],
  ...['network-create', 'volumes-create', 'generate-includes', 'generate-middlewares'],
  ...['generate-jwt-secret', 'generate-rsa-keys', 'generate-redis-password', 'generate-all-secrets'],
  ...['generate-github-token', 'mcp-client-token', 'mcp-client-token-complete', 'create-mcp-config'],
  ...['oauth-list-registrations', 'oauth-list-tokens', 'oauth-stats', 'oauth-show-all'],
  ...['oauth-delete-registration', 'oauth-delete-client-complete', 'oauth-delete-token'],
  ...['oauth-delete-test-registrations', 'oauth-delete-all-registrations'],
  ...['oauth-purge-expired', 'oauth-purge-expired-dry', 'oauth-backup', 'oauth-backup-list', 'oauth-backup-view'],
  ...['oauth-restore', 'oauth-restore-file', 'oauth-restore-clear', 'oauth-restore-dry'],
];

test('the recipes that operators know are there, each with a line that says what it does [S1.47]', () => {
  expect(recipes).toEqual(expect.arrayContaining(known));
  const lines = text.split('\n');
  for (const recipe of recipes) {
    const at = lines.findIndex((line) => new RegExp(`^${recipe}(?: [^=]*)?(?:=.*)?:`).test(line));
    expect(lines[at - 1], recipe).toMatch(/^# [A-Z]/);
  }
});

test('every recipe of ours calls a command that there is [S1.47]', async () => {
  const commands = [...text.matchAll(/\{\{ gatehouse \}\} ([a-z ]+)/g)].map(([, words = '']) =>
    words.trim().split(' '),
  );
  expect(commands.length).toBeGreaterThan(8);
  for (const words of commands) {
    const { code, out } = await cli([...words, '--help']);
    expect([words.join(' '), code]).toEqual([words.join(' '), 0]);
    expect(out).toContain(`Usage: gatehouse ${words.join(' ')}`);
  }
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  for (const [, script = ''] of text.matchAll(/npm run ([a-z:]+)/g)) expect(Object.keys(scripts)).toContain(script);
});

test.skipIf(just === undefined)(
  'just runs them, with what is after their name as it was typed (skipped without just)',
  () => {
    const run = (env: Readonly<Record<string, string>>, ...args: readonly string[]) =>
      execFileSync(just ?? '', args, {
        env: { PATH: process.env.PATH, ...env },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    expect(run({}, '--summary').trim().split(' ').sort()).toEqual([...recipes].sort());
    expect(run({ GATEHOUSE: 'echo' }, 'oauth-delete-client-complete', '12')).toBe('registration remove 12\n');
    expect(run({ GATEHOUSE: 'echo' }, 'mcp-client-token', '--name', 'a b')).toBe('key create --name a b\n');
    expect(run({ BASE_URL: 'https://mcp.example.com' }, 'create-mcp-config', 'acme')).toBe(
      '{"mcpServers":{"acme":{"type":"http","url":"https://mcp.example.com/mcp"}}}\n',
    );
    const secrets = run({}, 'generate-all-secrets');
    expect(secrets.match(/^[A-Z_]+=\S{24,}$/gm)?.map((line) => line.split('=')[0])).toEqual([
      ...['ENCRYPTION_KEY', 'REDIS_PASSWORD', 'POSTGRES_PASSWORD', 'WEBUI_SECRET_KEY', 'MCP_BRIDGE_TOKEN'],
    ]);
  },
);
