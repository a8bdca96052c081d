import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { defineNamed, namedServers, variableOf } from './named-servers.ts';
import { openProgramFinder } from './server-programs.ts';
import { transport as transportInput } from './transport-nouns.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-programs-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const wish = (name: string) => ({
  ...{ name, variable: variableOf(name), enabled: true, tested: undefined, urls: [], volume: undefined },
});
const place = (isolated: boolean) => ({
  find: openProgramFinder({ dataDir, path: '', root: process.cwd() }),
  ...{ dataDir, isolated },
});
const define = (name: string, isolated = true) => defineNamed(wish(name), place(isolated))?.transport;

const pins = {
  ...{ 'mcp-memory': '2024-11-05', 'mcp-sequentialthinking': '2024-11-05' },
  ...{ 'mcp-fetch': '2025-03-26', 'mcp-filesystem': '2025-03-26', 'mcp-time': '2025-03-26' },
  ...{ 'mcp-everything': '2025-06-18', 'mcp-tmux': '2025-06-18', 'mcp-fetchs': '2025-06-18' },
  ...{ 'mcp-echo-stateful': '2025-06-18', 'mcp-echo-stateless': '2025-06-18', 'mcp-playwright': '2025-06-18' },
};

test('the eleven servers have their names and revisions, and definitions as gatehouse.yaml would have them [S1.33]', () => {
  expect(Object.fromEntries(namedServers.map(({ name, protocolVersion }) => [name, protocolVersion]))).toEqual(pins);
  for (const name of Object.keys(pins)) {
    if (name === 'mcp-playwright') continue;
    const made = define(name);
    expect(transportInput.parse(made)).toEqual(made);
  }
});

test("files are seen at /workspace, the graph at /data, and both are of the operator's choice [S1.33]", () => {
  expect(define('mcp-filesystem')).toMatchObject({
    args: [expect.any(String), '/workspace'],
    volumes: [{ source: join(dataDir, 'servers', 'mcp-filesystem'), target: '/workspace', readOnly: false }],
    permission: { network: 'none' },
  });
  expect(define('mcp-memory')).toMatchObject({
    ...{ env: { MEMORY_FILE_PATH: '/data/memory.json' }, volumes: [{ target: '/data' }], state: 'stateless' },
  });
  const volume = join(dataDir, 'elsewhere');
  expect(defineNamed({ ...wish('mcp-filesystem'), volume }, place(true))?.transport).toMatchObject({
    volumes: [{ source: volume, target: '/workspace' }],
  });
});

test('everything listens itself [S1.33]', () => {
  expect(define('mcp-everything')).toMatchObject({
    ...{ kind: 'process', speaks: 'http', path: '/mcp', args: [expect.any(String), 'streamableHttp'] },
  });
});

test('a program that is not there is a sentence with what to install; nothing is downloaded [G13]', () => {
  const places = { ...place(true), find: () => undefined };
  expect(() => defineNamed(wish('mcp-memory'), places)).toThrow(
    'MCP_MEMORY_ENABLED needs @modelcontextprotocol/server-memory: install it with `gatehouse servers install mcp-memory`',
  );
  for (const { name } of namedServers) {
    const made = name === 'mcp-playwright' ? undefined : define(name);
    expect(JSON.stringify(made ?? {})).not.toMatch(/npx|uvx|pipx/);
  }
});

test('fetch and time are the builtin ones until the official programs are installed in the data directory [S1.33]', () => {
  expect(define('mcp-time')).toEqual({ kind: 'builtin', name: 'time', protocolVersion: '2025-03-26' });
  const bin = join(dataDir, 'servers', 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'mcp-server-time'), '#!/bin/sh\n');
  chmodSync(join(bin, 'mcp-server-time'), 0o755);
  expect(define('mcp-time')).toMatchObject({ kind: 'stdio', command: join(bin, 'mcp-server-time') });
});
