import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptNames } from '#scripts/run.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const pages = globSync(['*.md', 'docs/**/*.md', 'deploy/*.md']);
const manifest = JSON.parse(read('package.json'));

test('no link between documents is dead', () => {
  const dead = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map((match) => join(dirname(page), match[1] ?? ''))
      .filter((target) => !existsSync(target))
      .map((target) => `${page} → ${target}`),
  );
  expect(dead).toEqual([]);
});

test('every npm script that a document names exists', () => {
  for (const page of pages) {
    for (const [, script = ''] of read(page).matchAll(/npm run ([a-z][a-z:-]*)/g)) {
      expect([...Object.keys(manifest.scripts), ...scriptNames], `${page}: npm run ${script}`).toContain(script);
    }
  }
});

test('the licence is MIT, contributing has its steps, and support has its place [S0.41] [S2.36]', () => {
  expect(manifest.license).toBe('MIT');
  expect(read('LICENSE')).toMatch(/^MIT License\n\nCopyright \(c\) \d{4} Gatehouse contributors\n/);
  const steps = read('CONTRIBUTING.md').toLowerCase();
  const places = ['fork', 'tests', 'commit', 'pull request'].map((step) => steps.indexOf(step));
  expect(places.every((place, index) => place > (places[index - 1] ?? -1))).toBe(true);
  expect(read('README.md')).toMatch(/## Support\n\n.*issue tracker/);
});

test('prerequisites are named: Node and PostgreSQL [S0.36]', () => {
  const [, needs = ''] = read('docs/guide/ragie-workos.md').split('## What you need');
  expect(needs.slice(0, 300)).toMatch(/Node\.js from 20 up[\s\S]*PostgreSQL 15 or newer/);
});

test('clients are told to POST, to send the bearer each time, and how to read 401, 404 and discovery [S0.45]', () => {
  const [, guidance = ''] = read('docs/guide/ragie-workos.md').split('## For clients');
  for (const part of [
    /POST \/\{organization\}\/mcp\/\{collection\}/,
    /bearer token on every request/,
    /401 by its `WWW-Authenticate` header/,
    /404 as unmapped/,
    /\/\.well-known\/oauth-protected-resource/,
    /\/\.well-known\/oauth-authorization-server/,
  ]) {
    expect(guidance).toMatch(part);
  }
});

test('the example call in the guide is a well-formed retrieve', () => {
  const [, body = ''] = /-d '(\{.*"retrieve".*\})'/.exec(read('docs/guide/ragie-workos.md')) ?? [];
  const call = JSON.parse(body);
  expect(call).toMatchObject({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'retrieve' } });
  expect(Object.keys(call.params.arguments)).toEqual(['query']);
});

test('every way to run it is in the readme', () => {
  const readme = read('README.md');
  for (const line of ['npx mcp-gatehouse', 'npm install -g mcp-gatehouse', 'npx mcp-gateway']) {
    expect(readme).toContain(line);
  }
  expect(readme).toContain('"start:gateway": "mcp-gateway"');
});

test('.env.example has every variable of the gateway it replaces, with the documented values', () => {
  const example = read('.env.example');
  for (const line of [
    'DATABASE_URL=postgresql://postgres:postgres@localhost:5432/mcp-gateway',
    'WORKOS_AUTHORIZATION_SERVER_URL=https://api.workos.com/auth/v1',
    'PORT=3000',
    'BASE_URL=http://localhost:3000',
    'RAGIE_BASE_URL=https://api.ragie.ai/',
    'LOG_LEVEL=info',
    'LOG_FORMAT=pretty',
  ]) {
    expect(example).toContain(`\n${line}`);
  }
  for (const name of ['ENCRYPTION_KEY', 'WORKOS_API_KEY', 'WORKOS_CLIENT_ID', 'NODE_ENV', 'MAPPING_FILE']) {
    expect(example).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
  }
});

test('every decision record says when and whether it holds', () => {
  const records = globSync('docs/decisions/*.md');
  expect(records.length).toBeGreaterThanOrEqual(5);
  for (const record of records) expect(read(record)).toMatch(/^# \d{4}: .+\n\n- Date: \d{4}-\d\d-\d\d\n- Status: /);
});
