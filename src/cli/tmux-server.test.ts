import { execFileSync } from 'node:child_process';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTmux, tmuxServer } from './tmux-server.ts';

function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const tmux = openTmux(`gatehouse-test-${process.pid}`, process.env);
let client: Client;
beforeAll(async () => {
  const [here, there] = InMemoryTransport.createLinkedPair();
  client = new Client({ name: 'test', version: '1' });
  await Promise.all([tmuxServer(tmux).connect(there), client.connect(here)]);
});
afterAll(async () => {
  await client.close();
  await tmux(['kill-server']).catch(() => undefined);
});

async function call(name: string, args: Record<string, unknown> = {}): Promise<{ text: string; isError: boolean }> {
  const { content, isError } = await client.callTool({ name, arguments: args });
  const [first] = content;
  return { text: first?.type === 'text' ? first.text : '', isError: isError === true };
}

test('an id or a name that could be an option, or more than one thing, is refused [G2]', async () => {
  for (const wrong of ['-t', '%1; kill-server', '$(id)', '%1\n', '', '0']) {
    expect((await call('capture-pane', { paneId: wrong })).isError).toBe(true);
    expect((await call('kill-session', { sessionId: wrong })).isError).toBe(true);
  }
  for (const wrong of ['-d', 'a;b', 'a:b', '#(id)', '$(id)'])
    expect((await call('create-session', { name: wrong })).isError).toBe(true);
  expect(() => openTmux('-Sother', {})).toThrow();
});

describe.skipIf(!hasTmux())('with tmux (skipped where it is not installed)', () => {
  test('sessions, windows and panes come and go; a command tells how it went [S1.33]', async () => {
    expect(JSON.parse((await call('list-sessions')).text)).toEqual([]);
    const { id: sessionId } = JSON.parse((await call('create-session', { name: 'work' })).text);
    expect(JSON.parse((await call('find-session', { name: 'work' })).text).id).toBe(sessionId);
    const windowId = (await call('create-window', { sessionId, name: 'second' })).text.trim();
    const windows = JSON.parse((await call('list-windows', { sessionId })).text);
    expect(windows).toContainEqual(expect.objectContaining({ id: windowId, name: 'second' }));
    const [{ id: paneId }] = JSON.parse((await call('list-panes', { windowId })).text);
    const split = (await call('split-pane', { paneId, direction: 'horizontal' })).text.trim();
    expect(JSON.parse((await call('list-panes', { windowId })).text)).toHaveLength(2);
    expect((await call('kill-pane', { paneId: split })).text).toBe('done');
    const started = JSON.parse((await call('execute-command', { paneId, command: 'echo one; (exit 3)' })).text);
    const result = async () => JSON.parse((await call('get-command-result', { commandId: started.commandId })).text);
    await expect.poll(async () => (await result()).status, { timeout: 5000 }).toBe('error');
    expect(await result()).toMatchObject({ exitCode: 3, result: 'one' });
    await call('execute-command', { paneId, command: 'echo -n -- typed-as-it-is', rawMode: true });
    await expect.poll(async () => (await call('capture-pane', { paneId })).text).toContain('typed-as-it-is');
    expect((await call('kill-window', { windowId })).text).toBe('done');
    expect((await call('kill-session', { sessionId })).text).toBe('done');
  }, 20_000);
});
