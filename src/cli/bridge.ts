/** `bridge`: one stdio server over streamable HTTP, until it is told to stop (REQUIREMENTS S1.31). */
import { openStdioBridge, type StdioBridge, type StdioBridgeOptions } from '#app/stdio-bridge.ts';
import { systemClock } from '#core/clock.ts';
import { Secret } from '#core/secret.ts';
import { type LogLevel, openLog } from '#http/log.ts';
import { portNumber } from './flags.ts';
import { type Io, UsageError } from './io.ts';

export interface BridgeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly timeout: number;
  readonly logLevel: string;
  /** `NAME=VALUE`, or `NAME` for the value it has here. */
  readonly env: readonly string[];
  /** True: the one in MCP_BRIDGE_TOKEN. */
  readonly token?: string | true;
}

/** Returns when the bridge has stopped. */
export async function serveBridge(io: Io, command: readonly string[], options: BridgeOptions): Promise<void> {
  const log = openLog({
    level: levelOf(options.logLevel),
    format: io.errIsTerminal && io.env.LOG_FILE === undefined ? 'pretty' : 'json',
    destination: io.env.LOG_FILE || 2,
  });
  const stopped = Promise.withResolvers<void>();
  let bridge: StdioBridge | undefined;
  io.onSignal(() => void (bridge?.close() ?? Promise.resolve()).then(stopped.resolve, stopped.reject));
  try {
    bridge = await openStdioBridge(settingsOf(io, command, options), { clock: systemClock, log, env: { ...io.env } });
    io.err(`${command.join(' ')} is at ${bridge.url}\n`);
    await stopped.promise;
  } finally {
    await log.close();
  }
}

function settingsOf(
  io: Io,
  [command = '', ...args]: readonly string[],
  { host, port, timeout, env, token }: BridgeOptions,
): StdioBridgeOptions {
  return {
    host: host ?? io.env.MCP_BIND_HOST ?? '127.0.0.1',
    port: Number(port ?? portNumber(io.env.MCP_PORT ?? '3000')),
    ...{ command, args, env: variablesOf(env, io.env) },
    idleMs: timeout * 1000,
    token: tokenOf(token, io.env.MCP_BRIDGE_TOKEN),
  };
}

function tokenOf(given: string | true | undefined, variable: string | undefined): Secret | undefined {
  if (given === undefined) return variable === undefined || variable === '' ? undefined : new Secret(variable);
  const text = given === true ? variable : given;
  if (text === undefined || text.length < 16)
    throw new UsageError('--token needs at least 16 characters, in MCP_BRIDGE_TOKEN or after it');
  return new Secret(text);
}

function variablesOf(given: readonly string[], env: Io['env']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      const value = env[text];
      if (value === undefined) throw new UsageError(`--env ${text}: there is no such variable here`);
      return [text, value];
    }),
  );
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

function levelOf(text: string): LogLevel {
  const level = text
    .toLowerCase()
    .replace(/^warning$/, 'warn')
    .replace(/^critical$/, 'error');
  const found = levels.find((one) => one === level);
  if (found === undefined) throw new UsageError('--log-level is debug, info, warn or error');
  return found;
}
