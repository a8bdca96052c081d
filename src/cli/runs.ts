/** `list`, `stop`, `start`, `restart`, `logs`, `rm`, `export`: servers that are run here. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { logLine } from '#admin/run-nouns.ts';
import { type ConnectOptions, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

export function listRuns(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const items = await connection.list('listRuns', {});
    if (options.json) return printJson(io, items);
    const rows = items.map((item) => [
      item.server,
      item.kind,
      item.programs.length > 1 ? `${item.state} (${item.programs.length})` : item.state,
      item.port === null ? '-' : `${item.port}${item.portProblem === null ? '' : ' (not open)'}`,
      item.startedAt ?? '-',
      String(item.exits),
    ]);
    printTable(io, ['NAME', 'KIND', 'STATE', 'PORT', 'STARTED', 'ENDED'], rows);
  });
}

const routes = { start: 'startRun', stop: 'stopRun', restart: 'restartRun' } as const;
const done = { start: 'may start again', stop: 'is stopped', restart: 'starts anew at its next call' } as const;

export function orderRun(
  io: Io,
  { verb, name }: { readonly verb: keyof typeof routes; readonly name: string },
  options: Options,
): Promise<void> {
  return connected(io, options, async (connection) => {
    const item = await connection.call(routes[verb], { server: name });
    if (options.json) printJson(io, item);
    else io.err(`${item.server} ${done[verb]}.\n`);
  });
}

export function removeRun(io: Io, name: string, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const item = await connection.call('removeRun', { server: name });
    if (options.json) printJson(io, item);
    else io.err(`${item.server} is removed.\n`);
  });
}

export function showLogs(
  io: Io,
  name: string,
  options: Options & { readonly follow?: boolean; readonly tail: number },
): Promise<void> {
  return connected(io, options, async (connection) => {
    const show = ({ at, text, run }: z.output<typeof logLine>) =>
      io.out(options.json ? `${JSON.stringify({ at, run, text })}\n` : `${at} ${printable(text)}\n`);
    if (!options.follow) {
      const { items } = await connection.call('listRunLogs', { server: name, tail: options.tail });
      for (const line of items) show(line);
      return;
    }
    if (!connection.follow) throw new UsageError('No gateway runs: there is nothing to follow');
    const path = `/runs/${encodeURIComponent(name)}/logs/follow?tail=${options.tail}`;
    await connection.follow(path, (text) => {
      const line = logLine.safeParse(JSON.parse(text)).data;
      if (line) show(line);
    });
  });
}

export function exportRun(
  io: Io,
  { name, file }: { readonly name: string; readonly file: string },
  options: Options,
): Promise<void> {
  return connected(io, options, async (connection) => {
    const { yaml, runConfig } = await connection.call('exportRun', { server: name });
    const isJson = options.json || file.endsWith('.json');
    const text = isJson ? `${JSON.stringify(runConfig, null, 2)}\n` : yaml;
    if (file === '-') return io.out(text);
    await writeFile(resolve(io.cwd, file), text, { mode: 0o600 });
    io.err(`Wrote ${file}: secrets are not in it.\n`);
  });
}
