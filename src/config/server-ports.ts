/** `MCP_PORT_<SERVER>` (REQUIREMENTS S2.13): over servers[].port, also for servers that the file does not name. */
import { settingError } from '#core/error.ts';
import type { Env } from './environment.ts';

const variable = /^MCP_PORT_([A-Z0-9_]+)$/;

/** Key of the server → port. `MCP_PORT_MY_SERVER` is `my-server`. Throws GatehouseError `setting`. */
export function readServerPorts(env: Env): Readonly<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const [name, value] of Object.entries(env)) {
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
