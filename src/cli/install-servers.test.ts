import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { installServers } from './install-servers.ts';
import type { Io } from './io.ts';
import { commandOfAlias } from './server-commands.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-install-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const io = { env: { DATA_DIR: dataDir }, cwd: dataDir, readFile: () => undefined, err: () => undefined };

test('programs are installed at exact versions, into the data directory, without running scripts of theirs [G13]', async () => {
  const lines: string[] = [];
  const run = async (command: string, args: readonly string[]) => void lines.push([command, ...args].join(' '));
  await installServers(io as unknown as Io, ['memory', 'mcp-time'], run);
  expect(lines).toEqual([
    expect.stringMatching(/^npm install --prefix \S+servers --ignore-scripts .*server-memory@\d+\.\d+\.\d+$/),
    expect.stringMatching(/^python3 -m venv \S+servers$/),
    expect.stringMatching(/^\S+servers\/bin\/pip install --only-binary :all: .*mcp-server-time==\d+\.\d+\.\d+$/),
  ]);
  await expect(installServers(io as unknown as Io, ['fetchs'], run)).rejects.toThrow('nothing to install');
  await expect(installServers(io as unknown as Io, ['nobody'], run)).rejects.toThrow('There is no server nobody');
});

test('the programs of S1 are commands of ours under their own names [S1.31] [S1.49]', () => {
  expect(
    commandOfAlias('/usr/bin/mcp-streamablehttp-proxy', ['--port', '3001', 'python', '-m', 'x', '--flag']),
  ).toEqual([...['bridge', '--port', '3001', '--', 'python', '-m', 'x', '--flag']]);
  expect(commandOfAlias('/usr/bin/mcp-streamablehttp-client', ['--list-tools'])).toEqual(['connect', '--list-tools']);
  expect(commandOfAlias('/app/bin/gatehouse.mjs', ['serve'])).toEqual(['serve']);
});
