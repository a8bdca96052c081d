/**
 * The three-layer gateway with sign-in at GitHub: its `.env`, and the clients that registered there, from its Redis or a
 * backup of it (REQUIREMENTS S1.8, S1.45, S1.46). Clients go on with id, secret and registration token; tokens do not: they
 * were bound to nobody, and everybody agrees anew.
 */
import { z } from 'zod';
import { Secret } from '#core/secret.ts';
import type { GivenFile } from './entra-toolhive.ts';
import { type Found, type FoundClient, type LeftOut, nothingFound, quoted } from './found.ts';

export interface GithubOauthTarget {
  readonly nowMs: number;
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly adviseSetting: (name: string) => string;
  /** As a registration is read (RFC 7591). Throws what is wrong with it. */
  readonly parseMetadata: (body: unknown) => Readonly<Record<string, unknown>>;
}

/** Keys with what they hold, as they stood in Redis. */
export type RedisEntries = ReadonlyMap<string, unknown>;

/** A list, or the JSON text of one. */
const list = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value);
    } catch {
      return [value];
    }
  },
  z.array(z.string().max(2048)).max(50),
);
const printable = z.string().regex(/^[!-~]{1,256}$/);
const seconds = z.coerce.number().min(0).max(4_000_000_000);

const client = z.looseObject({
  // What the house's own clients are called is nobody else's name.
  client_id: printable.regex(/^client_/),
  client_secret: printable.nullish(),
  client_secret_expires_at: seconds.nullish(),
  client_id_issued_at: seconds.nullish(),
  registration_access_token: printable.regex(/^reg-.{16,}$/).nullish(),
  redirect_uris: list,
  grant_types: list.nullish(),
  response_types: list.nullish(),
  token_endpoint_auth_method: z.string().nullish(),
});
type Client = z.output<typeof client>;

const prefix = 'oauth:client:';

export function readGithubOauth(entries: RedisEntries, target: GithubOauthTarget): Found {
  const leftOut: LeftOut[] = [];
  const clients = [...entries]
    .filter(([name]) => name.startsWith(prefix))
    .flatMap(([name, value]) => clientOf(value, { id: name.slice(prefix.length), target, leftOut }));
  for (const [kind, reason] of Object.entries(gone)) {
    const count = [...entries.keys()].filter((name) => name.startsWith(`oauth:${kind}:`)).length;
    if (count > 0) leftOut.push({ what: `oauth:${kind}, ${count} entries`, reason });
  }
  const settings = Object.keys(target.settings).map((name) => ({ name, advice: target.adviseSetting(name) }));
  return { ...nothingFound, clients, settings, leftOut };
}

const gone: Readonly<Record<string, string>> = {
  token: 'everybody signs in anew: these tokens are not of an endpoint of this gateway',
  refresh: 'everybody signs in anew: these tokens were bound to no client',
  code: 'a sign-in that was under way begins anew',
  state: 'a sign-in that was under way begins anew',
  user_tokens: 'everybody signs in anew',
};

interface Reading {
  readonly id: string;
  readonly target: GithubOauthTarget;
  readonly leftOut: LeftOut[];
}

function clientOf(value: unknown, { id, target, leftOut }: Reading): readonly FoundClient[] {
  const what = `client ${quoted(id)}`;
  const refuse = (reason: string) => {
    leftOut.push({ what, reason });
    return [];
  };
  const parsed = client.safeParse(typeof value === 'string' ? parseJson(value) : value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`.trim());
  }
  const given = parsed.data;
  if (given.client_id !== id) return refuse('it says that it is another one');
  const expiresAt = given.client_secret_expires_at ? given.client_secret_expires_at * 1000 : undefined;
  if (expiresAt !== undefined && expiresAt <= target.nowMs) return refuse('it expired');
  const uris = given.redirect_uris.filter((uri) => isGood(given, uri, target));
  for (const uri of given.redirect_uris)
    if (!uris.includes(uri))
      leftOut.push({ what: `redirect URI ${quoted(uri)} of ${what}`, reason: 'it may lead to somebody else' });
  if (uris.length === 0) return refuse('it has no redirect URI that may be used');
  const { client_secret: secret, registration_access_token: token, client_id_issued_at: issued } = given;
  return [
    {
      ...{ id, expiresAt, metadata: metadataOf(given, uris, target) },
      secret: secret ? new Secret(secret) : undefined,
      registrationToken: token ? new Secret(token) : undefined,
      createdAt: issued ? issued * 1000 : target.nowMs,
    },
  ];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isGood(given: Client, uri: string, target: GithubOauthTarget): boolean {
  try {
    metadataOf(given, [uri], target);
    return true;
  } catch {
    return false;
  }
}

/** Of the ways that it announced only one worked there, and no secret at all: with a secret, it is asked for here. */
function metadataOf(given: Client, redirectUris: readonly string[], { parseMetadata }: GithubOauthTarget) {
  const { client_secret: secret, token_endpoint_auth_method: said, grant_types, response_types } = given;
  const method = !secret ? 'none' : said?.startsWith('client_secret_') ? said : 'client_secret_post';
  const { client_name, client_uri, logo_uri, tos_uri, policy_uri, contacts, scope } = given;
  const about = { client_name, client_uri, logo_uri, tos_uri, policy_uri, contacts, scope };
  const answers = response_types?.filter((type) => type === 'code') ?? [];
  return parseMetadata({
    ...about,
    redirect_uris: [...redirectUris],
    ...(grant_types && { grant_types }),
    response_types: answers.length > 0 ? answers : ['code'],
    token_endpoint_auth_method: method,
  });
}

const MAX_DEPTH = 3;

/** A backup: an object of keys and what they hold, itself or somewhere in it, or a list of clients. */
export function entriesIn(files: readonly GivenFile[]): RedisEntries {
  const found = new Map<string, unknown>();
  for (const { path, text } of files) if (path.endsWith('.json')) gather(parseJson(text), found, 1);
  return found;
}

function gather(value: unknown, found: Map<string, unknown>, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return;
  for (const [name, held] of Object.entries(value)) {
    const id = Array.isArray(value) ? idOf(held) : undefined;
    if (id !== undefined) found.set(`${prefix}${id}`, held);
    else if (name.startsWith('oauth:')) found.set(name, heldIn(held));
    else gather(held, found, depth + 1);
  }
}

const idOf = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'client_id' in value && typeof value.client_id === 'string'
    ? value.client_id
    : undefined;

/** With how long it lives beside it, or without. */
const heldIn = (held: unknown): unknown =>
  typeof held === 'object' && held !== null && 'value' in held && !('client_id' in held) ? held.value : held;
