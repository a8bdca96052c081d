/**
 * What deploy/traefik/ serves, from MCP_<NAME>_ENABLED in .env and in the environment (REQUIREMENTS S1.48): the list of
 * compose files to include, Traefik's routers for each server, and what the gateway has to know of them. Written to
 * deploy/traefik/generated/; run it again when a variable changed.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { namedServers, variableOf } from '#admin/named-servers.ts';
import { parseDotenv } from '#config/dotenv.ts';
import { readNamed } from '#config/named.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** File name → content. */
export type Generated = Readonly<Record<'compose.yml' | 'servers.yml' | 'gatehouse.yaml' | 'servers.env', string>>;

const head = '# Made by `npm run includes` from MCP_<NAME>_ENABLED: change those.\n';

/** Throws GatehouseError `setting` for a value that is neither true nor false, Error without BASE_DOMAIN. */
export function makeIncludes(env: Env): Generated {
  const domain = env.BASE_DOMAIN;
  if (!domain) throw new Error('BASE_DOMAIN is required, for example BASE_DOMAIN=mcp.example.com in .env');
  const enabled = new Set(readNamed(env, '/', []).wishes.flatMap(({ name, enabled }) => (enabled ? [name] : [])));
  const servers = namedServers.filter(({ name }) => enabled.has(name));
  const programs = servers.filter(({ builtin }) => builtin === undefined).map(({ name }) => name);
  const builtins = servers.filter(({ builtin }) => builtin !== undefined).map(({ name }) => name);
  const origins = (env.MCP_CORS_ORIGINS ?? '').split(',').flatMap((origin) => origin.trim() || []);
  const resources = programs.map((name) => `https://${name}.${domain}/mcp`);
  const include = ['../compose.yml', ...programs.map((name) => `../servers/${name}.yml`)];
  return {
    'compose.yml': head + stringify({ name: 'gatehouse-traefik', include }),
    'servers.yml':
      head +
      stringify(
        { http: traefikOf({ programs, builtins, domain, origins }) },
        { lineWidth: 0, aliasDuplicateObjects: false },
      ),
    'gatehouse.yaml': head + stringify(resources.length > 0 ? { oauth: { resources } } : { http: {} }),
    'servers.env': head + builtins.map((name) => `MCP_${variableOf(name)}_ENABLED=true\n`).join(''),
  };
}

interface Routing {
  readonly programs: readonly string[];
  readonly builtins: readonly string[];
  readonly domain: string;
  readonly origins: readonly string[];
}

/** Priorities as in dynamic.yml. */
function traefikOf({ programs, builtins, domain, origins }: Routing): object {
  const routers: Record<string, object> = {};
  const cors = origins.length > 0 ? ['cors'] : [];
  const add = (name: string, priority: number, [rule, to]: readonly [string, object]) => {
    routers[name] = { rule, priority, entryPoints: ['websecure'], ...to };
  };
  const guarded = (name: string) => ({ middlewares: [...cors, 'gatehouse', 'bridge-token'], service: name });
  for (const name of [...builtins, ...programs]) {
    const host = `Host(\`${name}.${domain}\`)`;
    const isProgram = programs.includes(name);
    const ours = { service: 'gatehouse' };
    const there = isProgram ? guarded(name) : ours;
    add(`${name}-discovery`, 10, [`${host} && PathPrefix(\`/.well-known/\`)`, ours]);
    // The middleware answers by itself: preflight carries no token.
    if (!isProgram || cors.length > 0)
      add(`${name}-preflight`, 6, [
        `${host} && Method(\`OPTIONS\`)`,
        isProgram ? { middlewares: cors, ...ours } : ours,
      ]);
    add(`${name}-mcp`, 2, [`${host} && PathPrefix(\`/mcp\`)`, there]);
    add(`${name}-rest`, 1, [host, there]);
  }
  return {
    ...(Object.keys(routers).length > 0 && { routers }),
    ...(programs.length > 0 && { services: Object.fromEntries(programs.map((name) => [name, loadBalancer(name)])) }),
    ...(cors.length > 0 && { middlewares: { cors: { headers: corsHeaders(origins) } } }),
  };
}

const loadBalancer = (name: string) => ({
  loadBalancer: {
    servers: [{ url: `http://${name}:3000` }],
    // The bridge answers to this machine's name and to callers with its token.
    passHostHeader: false,
    responseForwarding: { flushInterval: '-1ns' },
  },
});

const corsHeaders = (origins: readonly string[]) => ({
  accessControlAllowOriginList: origins,
  accessControlAllowMethods: ['GET', 'POST', 'DELETE', 'OPTIONS'],
  accessControlAllowHeaders: [
    'Authorization',
    'Content-Type',
    'Accept',
    'Mcp-Session-Id',
    'MCP-Protocol-Version',
    'Last-Event-ID',
  ],
  accessControlExposeHeaders: ['Mcp-Session-Id', 'WWW-Authenticate'],
  accessControlMaxAge: 600,
  addVaryHeader: true,
});

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const dotenv = join(root, '.env');
  const given = existsSync(dotenv) ? parseDotenv(readFileSync(dotenv, 'utf8'), process.env) : {};
  const folder = join(root, 'deploy/traefik/generated');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(makeIncludes({ ...given, ...process.env })))
    writeFileSync(join(folder, name), text);
  process.stdout.write(`docker compose --env-file .env -f deploy/traefik/generated/compose.yml up -d\n`);
}
