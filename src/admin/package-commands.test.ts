import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { StdioTransport } from '#core/transport.ts';
import { asInstalled, readPackageCommand } from './package-commands.ts';
import { openProgramFinder } from './server-programs.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-packages-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
const folder = join(dataDir, 'servers', 'node_modules', '@acme', 'notes');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: '1.2.3', bin: { notes: 'main.js' } }));
const find = openProgramFinder({ dataDir, path: '', root: process.cwd() });
const given = (command: string, args: readonly string[]): StdioTransport => ({
  ...{ kind: 'stdio', command, args, env: {}, state: 'stateful' },
});
const causeOf = (transport: StdioTransport) => {
  try {
    return asInstalled(transport, find).command;
  } catch (thrown) {
    return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause.message : 'no cause';
  }
};

test('a pinned package runs as it is installed, and its folder is readable in the sandbox [G13]', () => {
  const installed = asInstalled(given('npx', ['-y', '@acme/notes@1.2.3', '--folder', '/data']), find);
  expect(installed).toMatchObject({ command: process.execPath, args: [join(folder, 'main.js'), '--folder', '/data'] });
  expect(installed.permission).toEqual({ network: 'none', read: [join(dataDir, 'servers', 'node_modules')] });
});

test.each([
  [
    'npx',
    ['-y', '@acme/notes@1.2.4'],
    '@acme/notes@1.2.4 is not installed: gatehouse servers install @acme/notes@1.2.4',
  ],
  ['uvx', ['nobody==1.0'], 'nobody==1.0 is not installed: gatehouse servers install nobody==1.0'],
  ['/usr/bin/npx', ['@acme/notes@latest'], /has no exact version/],
  ['npx', ['--package', 'x', 'y'], /flags of its own/],
  ['npx', [], /no name of an npm package|no exact version/],
])('%s %j is not run, and the cause says what to do [G13]', (command, args, message) => {
  expect(causeOf(given(command, args))).toMatch(message);
});

test('other commands are what they are', () => {
  expect(readPackageCommand('/usr/bin/node', ['server.js'])).toBeUndefined();
  const own = given('/usr/bin/node', ['server.js']);
  expect(asInstalled(own, find)).toBe(own);
});
