/** Who this user is signed in as, by gateway, in a file that only they read (`logins.json`). */
import { closeSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { Io } from './io.ts';
import { findConfigFolder, readPrivateJson, writePrivateJson } from './private-file.ts';

const client = z.object({
  id: z.string(),
  /** How it changes its registration (RFC 7592). */
  registration: z.object({ uri: z.url(), token: z.string() }).optional(),
});
const login = z.object({
  issuer: z.url(),
  /** What its tokens are for: the gateway as it calls itself. */
  resource: z.url(),
  client,
  accessToken: z.string(),
  refreshToken: z.string().optional(),
  /** Of the access token: Unix milliseconds. */
  expiresAt: z.number(),
});
export type Login = z.output<typeof login>;
export type LoginClient = z.output<typeof client>;

const file = z.object({ current: z.string().optional(), logins: z.record(z.string(), login) });
type LoginFile = z.output<typeof file>;

export interface LoginStore {
  /** Where commands go that name no gateway. */
  current(): string | undefined;
  urls(): readonly string[];
  find(url: string): Login | undefined;
  /** From now on also where commands go that name no gateway. */
  begin(url: string, login: Login): void;
  replace(url: string, login: Login): void;
  remove(url: string): void;
  /** One process at a time. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** As logins are kept: no slash at the end. */
export const placeOf = ({ origin, pathname }: URL): string => origin + pathname.replace(/\/+$/, '');

export function openLoginStore(env: Io['env']): LoginStore {
  const folder = findConfigFolder(env);
  const path = folder === undefined ? undefined : join(folder, 'logins.json');
  const read = (): LoginFile => file.safeParse(path && readPrivateJson(path)).data ?? { logins: {} };
  const write = (changed: LoginFile) => writePrivateJson(getPath(path), changed);
  const find = (url: string) => {
    const { logins } = read();
    return Object.hasOwn(logins, url) ? logins[url] : undefined;
  };
  return {
    find,
    current: () => read().current,
    urls: () => Object.keys(read().logins),
    begin: (url, made) => write({ current: url, logins: { ...read().logins, [url]: made } }),
    replace(url, made) {
      const { logins, ...rest } = read();
      write({ ...rest, logins: { ...logins, [url]: made } });
    },
    remove(url) {
      const { current, logins } = read();
      const { [url]: _gone, ...others } = logins;
      write({ current: current === url ? Object.keys(others)[0] : current, logins: others });
    },
    alone: (work) => locked(`${getPath(path)}.lock`, work),
  };
}

function getPath(path: string | undefined): string {
  if (path !== undefined) return path;
  throw new GatehouseError('setting', { message: 'There is no place to keep a sign-in: set HOME or XDG_CONFIG_HOME' });
}

const STALE_MS = 60_000;
const EVERY_MS = 50;

/** A refresh token works once: two processes that use the same one would end the sign-in. */
async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  while (!take(path)) await wait(EVERY_MS);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    // Left by a process that is gone.
    if (since !== undefined && Date.now() - since > STALE_MS) rmSync(path, { force: true });
    return false;
  }
}
