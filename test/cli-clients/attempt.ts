/** One client at one gateway: signed in by its own commands, and proved by what the gateway kept of its calls. */
import { mkdirSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import type { Visited } from '#kit/browser-jar.ts';
import { type Browser, signInAt, textOf } from './browser.ts';
import type { CliClient, Desk } from './client.ts';
import { type CommandResult, runCommand } from './command.ts';
import type { Exchange } from './relay.ts';
import type { World } from './world.ts';

const commandTimeoutMs = 60_000;

/** What was seen of a client that is signed in. */
export interface Shown {
  readonly said: string;
  readonly registration: 'client metadata document' | 'dynamic registration';
  readonly redirectUri: string;
  readonly scope: string;
  readonly sendsResource: boolean;
  readonly refreshes: number;
  /** Of its MCP calls. */
  readonly userAgent: string;
  readonly protocolVersion: string;
  /** JSON-RPC methods that were answered to the signed-in person. */
  readonly methods: readonly string[];
}

export interface Place {
  readonly world: World;
  readonly browser: Browser;
  /** Folder for homes. */
  readonly homes: string;
}

/** Throws Skipped, or what is wrong. */
export async function attempt(client: CliClient, program: string, place: Place): Promise<Shown> {
  const { world } = place;
  const stopped = new AbortController();
  const desk = openDesk({ client, program, signal: stopped.signal }, place);
  client.prepare?.(desk);
  world.relay.clear();
  const from = Date.now();
  const { url, page } = await walk(client, desk, { ...place, stopped });
  if (page.status !== 200 && page.status !== 0)
    throw new Error(`its callback answered ${page.status} ${textOf(page.html)}`);
  const said = await client.status(desk);
  await refreshed(client, desk, world);
  return {
    said: said.replaceAll(world.mcpUrl, 'URL'),
    ...readAuthorization(url, world),
    ...(await readCalls(client, world, from)),
  };
}

const countRefreshes = ({ relay }: World) =>
  relay.exchanges.filter(
    ({ path, body, status }) => path === '/token' && body.includes('grant_type=refresh_token') && status === 200,
  ).length;

/** Where tokens are short: some clients refresh at once, the others when theirs is over; it goes on working then. */
async function refreshed(client: CliClient, desk: Desk, world: World): Promise<void> {
  if (world.tokenSeconds === undefined || countRefreshes(world) > 0) return;
  await setTimeout(world.tokenSeconds * 1000);
  await client.status(desk);
  if (countRefreshes(world) === 0) throw new Error('its token is over, and it was not refreshed');
}

/** The client's own command and the person at the browser, side by side: neither is waited for once the other failed. */
async function walk(
  client: CliClient,
  desk: Desk,
  { world, browser, stopped }: Place & { readonly stopped: AbortController },
): Promise<{ readonly url: string; readonly page: Visited }> {
  const opened = browser
    .next(commandTimeoutMs)
    .then(async (url) => ({ url, page: await signInAt(url, world.account) }));
  const failed = opened.then(
    () => undefined,
    (error: unknown) => {
      stopped.abort();
      return `browser: ${error instanceof Error ? error.message : String(error)}`;
    },
  );
  try {
    await client.signIn(desk);
  } catch (error) {
    const seen = stopped.signal.aborted ? await failed : undefined;
    throw seen === undefined ? error : new Error(seen, { cause: error });
  }
  return opened;
}

interface Started {
  readonly client: CliClient;
  readonly program: string;
  readonly signal: AbortSignal;
}

function openDesk({ client, program, signal }: Started, { world, browser, homes }: Place): Desk {
  const home = join(homes, client.key);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const env = {
    PATH: [browser.folder, dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    HOME: home,
    BROWSER: browser.program,
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    ...client.env,
  };
  return {
    program,
    home,
    mcpUrl: world.mcpUrl,
    async run(command, { anyCode = false, timeoutMs = commandTimeoutMs, watch } = {}): Promise<CommandResult> {
      const result = await runCommand(command, { cwd: home, env, timeoutMs, signal, ...(watch && { watch }) });
      const line = command.join(' ').replace(program, client.program);
      if (result.timedOut) throw new Error(`not done within ${timeoutMs / 1000} s: ${line}\n${result.text.trim()}`);
      if (result.code !== 0 && !anyCode) throw new Error(`exit ${result.code}: ${line}\n${result.text.trim()}`);
      return result;
    },
  };
}

function readAuthorization(url: string, { mcpUrl }: World) {
  const asked = new URL(url).searchParams;
  const registration: Shown['registration'] = asked.get('client_id')?.startsWith('https://')
    ? 'client metadata document'
    : 'dynamic registration';
  return {
    registration,
    redirectUri: (asked.get('redirect_uri') ?? '').replace(/:\d+/, ':PORT'),
    scope: asked.get('scope') ?? '',
    sendsResource: asked.get('resource') === mcpUrl,
  };
}

const opening = z.object({
  params: z.looseObject({ protocolVersion: z.string().optional(), clientInfo: z.looseObject({ name: z.string() }) }),
});

/** Two witnesses: the relay saw the client say its name with a bearer token, the gateway knew the person. */
async function readCalls(client: CliClient, world: World, from: number) {
  const { exchanges } = world.relay;
  const opened = exchanges.filter(isSignedIn).flatMap((exchange) => {
    const parsed = opening.safeParse(parseJson(exchange.body));
    return parsed.success && parsed.data.params.clientInfo.name === client.clientName
      ? [{ exchange, parsed: parsed.data }]
      : [];
  });
  const [first] = opened;
  if (!first)
    throw new Error(`no initialize of "${client.clientName}" with a token was answered:\n${written(exchanges)}`);
  const userAgent = first.exchange.headers['user-agent'] ?? '';
  const methods = await auditedMethods(world, from, userAgent);
  return {
    userAgent,
    protocolVersion: first.parsed.params.protocolVersion ?? '',
    methods,
    refreshes: countRefreshes(world),
  };
}

/** The gateway writes its audit in batches, a moment after the answer. Throws where it has no initialize or tools/list. */
async function auditedMethods(world: World, from: number, userAgent: string): Promise<readonly string[]> {
  const needed = ['initialize', 'tools/list'];
  for (let tries = 0; ; tries++) {
    const calls = (await world.calls(from)).filter((call) => call.status === 200 && call.user_agent === userAgent);
    const methods = [...new Set(calls.flatMap(({ rpc_method }) => rpc_method ?? []))];
    const missing = needed.filter((method) => !methods.includes(method));
    if (missing.length === 0) return methods;
    if (tries === 20) throw new Error(`the gateway's audit has no ${missing.join(', ')} of "${userAgent}"`);
    await setTimeout(250);
  }
}

const isSignedIn = ({ headers, status }: Exchange) => /^Bearer ./.test(headers.authorization ?? '') && status === 200;

const written = (exchanges: readonly Exchange[]) =>
  exchanges.map(({ method, path, status }) => `  ${method} ${path} ${status}`).join('\n');

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
