/** `MCP_PORT_<SERVER>` (REQUIREMENTS S2.13): over servers[].port, also for servers that the file does not name. */
import { isIP } from 'node:net';
import { settingError } from '#core/error.ts';
import type { Env } from './environment.ts';
import { isLoopback } from './loopback.ts';

const variable = /^MCP_PORT_([A-Z0-9_]+)$/;

/** Of the native echo servers, MCP_ECHO_PORT and MCP_ECHO_HOST are the port and the address (REQUIREMENTS S1.36). */
const echoes = ['mcp-echo-stateful', 'mcp-echo-stateless'] as const;

/**
 * `MCP_ECHO_PORT` is the port of the echo server that is on; of two, each needs its own variable. Throws `setting`.
 */
function withEcho(env: Env): Env {
  const port = env.MCP_ECHO_PORT;
  if (port === undefined) return env;
  const on = echoes.filter((key) => /^(?:true|1)$/i.test(env[`${stemOf(key)}_ENABLED`]?.trim() ?? ''));
  if (on.length > 1)
    throw settingError(
      'MCP_ECHO_PORT is one port for two servers: use MCP_PORT_MCP_ECHO_STATEFUL and MCP_PORT_MCP_ECHO_STATELESS instead',
    );
  const [key] = on;
  return key === undefined ? env : { [`MCP_PORT_${stemOf(key)}`]: port, ...env };
}

const stemOf = (key: string): string => key.toUpperCase().replaceAll('-', '_');

/** Key of the server → address that its own port listens at; others listen where the gateway does. Throws `setting`. `demo`: loopback only. */
export function readServerHosts(env: Env, demo: boolean): Readonly<Record<string, string>> {
  const host = env.MCP_ECHO_HOST?.trim();
  if (host === undefined || host === '') return {};
  if (isIP(host) === 0 && host !== 'localhost')
    throw settingError('MCP_ECHO_HOST is wrong: must be an IP address to listen at, such as 127.0.0.1');
  if (demo && !isLoopback(host))
    throw settingError('MCP_ECHO_HOST is no address of this machine alone: the demo listens on loopback only');
  return Object.fromEntries(echoes.map((key) => [key, host]));
}

/** Key of the server → port. `MCP_PORT_MY_SERVER` is `my-server`. Throws GatehouseError `setting`. */
export function readServerPorts(env: Env): Readonly<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const [name, value] of Object.entries(withEcho(env))) {
    const [, server] = variable.exec(name) ?? [];
    if (server === undefined || value === undefined) continue;
    const port = /^\d{1,5}$/.test(value.trim()) ? Number(value) : 0;
    if (port < 1 || port > 65_535) throw settingError(`${name} is wrong: must be a port, 1 to 65535`);
    const [taken] = Object.entries(ports).find(([, other]) => other === port) ?? [];
    if (taken !== undefined) throw settingError(`${name} is the port of the server ${taken} too: give it another one`);
    ports[server.toLowerCase().replaceAll('_', '-')] = port;
  }
  return ports;
}
