/** Servers that variables name (REQUIREMENTS S1.33, S1.34): MCP_<NAME>_ENABLED, _TESTS_ENABLED, _URLS, _VOLUME. */
import { isAbsolute, resolve } from 'node:path';
import { type NamedWish, namedServers, variableOf } from '#admin/named-servers.ts';
import { settingError } from '#core/error.ts';
import { otherSpelling } from '#core/mcp-path.ts';
import type { Env } from './environment.ts';

const variable = /^MCP_([A-Z0-9]+(?:_[A-Z0-9]+)*?)_(TESTS_ENABLED|ENABLED|URLS?|VOLUME)$/;

/** Ends like one of these and is something else. */
const others: ReadonlySet<string> = new Set(['MCP_PROXY_URL', 'MCP_SERVER_URL']);

export interface NamedSettings {
  readonly wishes: readonly NamedWish[];
  /** Names of variables that are for no server that there is. */
  readonly strangers: readonly string[];
}

/** `keys`: of the servers in the file. A server of the file is meant before one that comes along. Throws `setting`. */
export function readNamed(env: Env, cwd: string, keys: readonly string[]): NamedSettings {
  const known = new Map(namedServers.map(({ name }) => [variableOf(name), name]));
  for (const key of keys) known.set(variableOf(key), keyOf(key, keys));
  const found = new Set<string>();
  const strangers: string[] = [];
  for (const name of Object.keys(env)) {
    const stem = others.has(name) || env[name] === undefined ? undefined : variable.exec(name)?.[1];
    if (stem === undefined) continue;
    if (known.has(stem)) found.add(stem);
    else strangers.push(name);
  }
  return { wishes: [...found].sort().map((stem) => readWish(env, cwd, [stem, known.get(stem) ?? ''])), strangers };
}

/** Of two servers that differ by `mcp-` only, the one without is meant by the variable of both. */
function keyOf(key: string, keys: readonly string[]): string {
  const other = otherSpelling(key);
  return key.startsWith('mcp-') && keys.includes(other) ? other : key;
}

function readWish(env: Env, cwd: string, [stem, name]: readonly [stem: string, name: string]): NamedWish {
  const volume = env[`MCP_${stem}_VOLUME`];
  return {
    name,
    variable: stem,
    enabled: flag(env, `MCP_${stem}_ENABLED`),
    tested: flag(env, `MCP_${stem}_TESTS_ENABLED`),
    urls: [...urls(env, `MCP_${stem}_URLS`), ...urls(env, `MCP_${stem}_URL`)],
    volume: volume === undefined || isAbsolute(volume) ? volume : resolve(cwd, volume),
  };
}

/** REQUIREMENTS S1.36. Throws `setting`. */
export function readEcho(env: Env): { readonly sessionMs: number | undefined; readonly debug: boolean } {
  const seconds = env.MCP_SESSION_TIMEOUT;
  if (seconds !== undefined && !/^[1-9]\d{0,6}$/.test(seconds))
    throw settingError('MCP_SESSION_TIMEOUT is wrong: must be seconds, such as 3600');
  return {
    sessionMs: seconds === undefined ? undefined : Number(seconds) * 1000,
    debug: flag(env, 'MCP_ECHO_DEBUG') === true,
  };
}

function flag(env: Env, name: string): boolean | undefined {
  const value = env[name]?.trim().toLowerCase();
  if (value === undefined) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw settingError(`${name} is wrong: must be true or false: correct it in the environment or .env`);
}

function urls(env: Env, name: string): readonly string[] {
  const values = (env[name] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  const wrong = values.find((value) => !/^https?:\/\//.test(value) || !URL.canParse(value));
  if (wrong === undefined) return values;
  throw settingError(`${name} is wrong: must be URLs that start with http:// or https://, separated by commas`);
}
