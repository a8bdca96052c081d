/**
 * Sessions of the legacy protocol era, sealed in their id: any replica with the same key serves any call. The id holds
 * the upstream's own session id and an expiry, encrypted; principal, organization, endpoint and server are additional data, so an
 * id is worthless to anybody else: to a stranger it is simply unknown.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { isJsonObject, type JsonObject, objectIn, parseJsonObject, stringIn } from '#core/json.ts';
import type { Message } from '#mcp/message.ts';

export interface SessionOwner {
  readonly principal: string;
  readonly org: string;
  readonly endpoint: string;
  /** Whose session it is upstream: another server that takes this one's place must not see its id. */
  readonly server: string;
}

/** What a client said of itself in `initialize`: needed wherever its session is served by the gateway's own words. */
export interface SessionClient {
  readonly version: string;
  readonly capabilities: JsonObject;
  readonly info: JsonObject | undefined;
}

export interface Session {
  /** `''`: the gateway's own session, several servers or one of another era behind it. */
  readonly upstreamId: string;
  readonly client: SessionClient;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** SHA-256 of the id: what revocations name. */
  readonly digest: string;
}

export interface Sessions {
  seal(owner: SessionOwner, upstreamId: string, client: SessionClient): string;
  /** Undefined: forged, foreign, expired or ended. */
  find(id: string, owner: SessionOwner): Session | undefined;
  end(session: Session): Promise<void>;
  /** By anybody, on any replica. */
  isEnded(session: Session): boolean;
}

export interface Revocations {
  has(digest: string): boolean;
  insert(digest: string, expiresAt: number): Promise<void>;
}

const VERSION = 's2';
/** Of what a client says of itself: an id must fit into a request's head. */
const MAX_CLIENT_CHARACTERS = 2000;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const EXPIRY_BYTES = 8;

export function openSessions(deps: {
  readonly key: Buffer;
  /** Keys of the past: their sessions go on. */
  readonly older?: readonly Buffer[];
  readonly clock: Clock;
  readonly ttlSeconds: number;
  readonly revocations: Revocations;
}): Sessions {
  const { key, older = [], clock, revocations } = deps;
  const warm = new LRUCache<string, { data: string; session: Session }>({ max: 20_000 });

  return {
    seal(owner, upstreamId, client) {
      const expiry = Buffer.alloc(EXPIRY_BYTES);
      expiry.writeDoubleBE(clock.now() + deps.ttlSeconds * 1000);
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(ownerData(owner)));
      const sealed = Buffer.concat([
        iv,
        cipher.update(expiry),
        cipher.update(JSON.stringify([upstreamId, ...packed(client)]), 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return VERSION + sealed.toString('base64url');
    },
    find(id, owner) {
      const data = ownerData(owner);
      let entry = warm.get(id);
      if (!entry) {
        const session = unseal([key, ...older], id, data);
        if (!session) return undefined;
        entry = { data, session };
        warm.set(id, entry);
      }
      const { session } = entry;
      if (entry.data !== data || session.expiresAt <= clock.now() || revocations.has(session.digest)) return undefined;
      return session;
    },
    end: (session) => revocations.insert(session.digest, session.expiresAt),
    isEnded: ({ digest }) => revocations.has(digest),
  };
}

/** Injective: the principal's key carries its own length, the other three are UUIDs. */
function ownerData({ principal, org, endpoint, server }: SessionOwner): string {
  return `${org}\n${endpoint}\n${server}\n${principal}`;
}

/** Of an `initialize` request. */
export function clientOf(message: Message | undefined): SessionClient {
  const params = objectIn(message && parseJsonObject(message.bytes.toString('utf8')), 'params');
  return {
    version: stringIn(params, 'protocolVersion') ?? '',
    capabilities: objectIn(params, 'capabilities') ?? {},
    info: objectIn(params, 'clientInfo'),
  };
}

/** What decides something goes before what is only a name. */
function packed({ version, capabilities, info }: SessionClient): readonly unknown[] {
  const known = pick(capabilities, ['elicitation', 'sampling', 'roots', 'tasks', 'extensions']);
  const fits = (value: unknown) => JSON.stringify(value).length <= MAX_CLIENT_CHARACTERS;
  const kept = fits(known) ? known : {};
  return fits([kept, info ?? null]) ? [version, kept, info ?? null] : [version, kept, null];
}

function pick(from: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])));
}

const content = z.tuple([z.string(), z.string(), z.unknown(), z.unknown()]);
const asObject = (value: unknown): JsonObject | undefined => (isJsonObject(value) ? value : undefined);

function unseal(keys: readonly Buffer[], id: string, data: string): Session | undefined {
  if (!id.startsWith(VERSION) || id.length > 8192) return undefined;
  const bytes = Buffer.from(id.slice(VERSION.length), 'base64url');
  if (bytes.length < IV_BYTES + EXPIRY_BYTES + TAG_BYTES || bytes.toString('base64url') !== id.slice(VERSION.length))
    return undefined;
  const plain = keys.reduce<Buffer | undefined>((found, key) => found ?? decrypt(key, bytes, data), undefined);
  if (!plain) return undefined;
  const [upstreamId = '', version = '', capabilities, info] = content.parse(
    JSON.parse(plain.toString('utf8', EXPIRY_BYTES)),
  );
  return {
    upstreamId,
    client: { version, capabilities: asObject(capabilities) ?? {}, info: asObject(info) },
    expiresAt: plain.readDoubleBE(0),
    digest: hash('sha256', id, 'base64url'),
  };
}

function decrypt(key: Buffer, bytes: Buffer, data: string): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(data));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
