/** What `connect` keeps of each server: client and tokens, in a file that only this user reads. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { findConfigFolder, readPrivateJson, writePrivateJson } from './private-file.ts';

/** Fields that authorization servers add are kept. */
const tokens = z.looseObject({ access_token: z.string(), token_type: z.string() });
const client = z.looseObject({ client_id: z.string() });

const entry = z.object({
  client: client.optional(),
  tokens: tokens.optional(),
  /** How the client changes its registration (RFC 7592). */
  registration: z.object({ uri: z.string(), token: z.string() }).optional(),
  /** What the authorization server is, as the SDK found it. */
  discovery: z.looseObject({ authorizationServerUrl: z.string() }).optional(),
  /** Of this machine: where the browser comes back to. */
  port: z.number().optional(),
});
const file = z.record(z.string(), entry);

export type Kept = z.output<typeof entry>;

export interface ConnectStore {
  read(): Kept;
  /** Undefined: forgotten. */
  write(change: Partial<Kept>): void;
  forget(): void;
}

type Env = Readonly<Record<string, string | undefined>>;

/** `server`: its URL. The environment's client and tokens count until there are newer ones. */
export function openConnectStore(env: Env, server: string): ConnectStore {
  const folder = findConfigFolder(env) ?? join(homedir(), '.config', 'gatehouse');
  const path = join(folder, 'connect.json');
  const given = fromEnvironment(env);
  const all = () => readAll(path);
  const put = (value: Kept | undefined) => {
    const { [server]: _before, ...others } = all();
    writePrivateJson(path, value ? { ...others, [server]: value } : others);
  };
  return {
    read: () => ({ ...given, ...all()[server] }),
    write: (change) => put({ ...all()[server], ...change }),
    forget: () => put(undefined),
  };
}

const readAll = (path: string): z.output<typeof file> => file.safeParse(readPrivateJson(path)).data ?? {};

function fromEnvironment(env: Env): Kept {
  const { MCP_CLIENT_ID: id, MCP_CLIENT_ACCESS_TOKEN: token } = env;
  const { MCP_CLIENT_REGISTRATION_URI: uri, MCP_CLIENT_REGISTRATION_TOKEN: registration } = env;
  return {
    ...(id && {
      client: {
        client_id: id,
        ...(env.MCP_CLIENT_SECRET && { client_secret: env.MCP_CLIENT_SECRET }),
      },
    }),
    ...(uri && registration && { registration: { uri, token: registration } }),
    ...(token && {
      tokens: {
        ...{ access_token: token, token_type: 'Bearer' },
        ...(env.MCP_CLIENT_REFRESH_TOKEN && { refresh_token: env.MCP_CLIENT_REFRESH_TOKEN }),
      },
    }),
  };
}
