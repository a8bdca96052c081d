/** Variables: `.env` below the environment, aliases under their own names, each put where it belongs in the file's value. */
import { resolve } from 'node:path';
import { settingError } from '#core/error.ts';
import { parseDotenv } from './dotenv.ts';
import { parseDuration } from './limits.ts';
import { settings } from './settings.ts';

export type Env = Readonly<Record<string, string | undefined>>;

interface Sources {
  readonly env: Env;
  readonly cwd: string;
  readonly readFile: (path: string) => string | undefined;
}

/** Empty counts as unset: compose files pass `NAME=${NAME:-}`. Aliases are renamed here. */
export function mergeEnv({ env, cwd, readFile }: Sources): Env {
  const set = (values: Env) =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''));
  const own = set(env);
  const dotenv = readFile(resolve(cwd, '.env'));
  const merged: Record<string, string | undefined> = {
    ...set(dotenv === undefined ? {} : parseDotenv(dotenv, own)),
    ...own,
  };
  for (const { name, aliases = [] } of settings) {
    merged[name] ??= aliases.map((alias) => merged[alias]).find((value) => value !== undefined);
  }
  const timeout = merged.SESSION_TIMEOUT;
  if (timeout !== undefined && merged.MCP_SESSION_TTL_SECONDS === undefined) {
    const ms = parseDuration(timeout);
    if (!ms)
      throw settingError(
        'SESSION_TIMEOUT needs a unit, as in 3600s or 900000ms: add it, or set MCP_SESSION_TTL_SECONDS',
      );
    merged.MCP_SESSION_TTL_SECONDS = String(Math.max(1, Math.round(ms / 1000)));
  }
  return merged;
}

const rateVariables = ['RATE_LIMIT_PER_MINUTE', 'RATE_LIMIT_PER_IP', 'RATE_LIMIT_ENABLED'] as const;

/** The figures and answers of REQUIREMENTS S3.6, where one of its variables is set; what the file says stands. */
export function withRateLimits(value: unknown, env: Env): unknown {
  const named = rateVariables.filter((name) => env[name] !== undefined && env[name] !== env.API_RATE_LIMIT);
  if (named.length === 0 && env.WEBUI_SECRET_KEY === undefined) return value;
  const defaults = [
    [['limits', 'openWebui'], 'true'],
    [['limits', 'principal', 'requestsPerMinute'], '100'],
    [['limits', 'address', 'requestsPerMinute'], '1000'],
  ] as const;
  return defaults.reduce<unknown>(
    (all, [path, text]) => (find(all, path) === undefined ? put(all, path, text) : all),
    value,
  );
}

function find(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value;
  return typeof value === 'object' && value !== null ? find(Reflect.get(value, step), rest) : undefined;
}

export function checkNames(env: Env): void {
  const known = settings.map((setting) => setting.name).filter((name) => name.startsWith('GATEHOUSE_'));
  const unknown = Object.keys(env).find((name) => name.startsWith('GATEHOUSE_') && !known.includes(name));
  if (unknown)
    throw settingError(`${unknown} is not a setting of Gatehouse: remove it (known are ${known.join(', ')})`);
}

/** Of REQUIREMENTS S2.29. */
export const tlsVariables = [
  ['TLS_CERT_PATH', 'certFile'],
  ['TLS_KEY_PATH', 'keyFile'],
] as const;

/** The file's value with every variable that has a place in it put there. */
export function withEnv(value: unknown, env: Env): unknown {
  let result = value;
  for (const [name, key] of tlsVariables) {
    const text = env[name];
    if (text !== undefined) result = put(result, ['http', 'tls', key], text);
  }
  for (const { name, path } of settings) {
    const text = env[name];
    if (path && text !== undefined) result = put(result, path, text);
  }
  return result;
}

function put(target: unknown, [step, ...rest]: readonly string[], value: string): unknown {
  if (step === undefined) return value;
  if (target === undefined || target === null) return { [step]: put(undefined, rest, value) };
  // Not a map: left for the schema to refuse.
  if (typeof target !== 'object' || Array.isArray(target)) return target;
  return { ...target, [step]: put(Reflect.get(target, step), rest, value) };
}

export function findUrl(env: Env, name: string): string | undefined {
  const value = env[name];
  if (value === undefined) return undefined;
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value;
  throw settingError(
    `${name} is wrong: must be a URL that starts with http:// or https://: correct it in the environment or .env`,
  );
}
