/**
 * Sessions of the legacy protocol era, sealed in their id: any replica with the same key serves any call. The id holds
 * the upstream's own session id and an expiry, encrypted; principal, organization, endpoint and server are additional data, so an
 * id is worthless to anybody else: to a stranger it is simply unknown.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';

export interface SessionOwner {
  readonly principal: string;
  readonly org: string;
  readonly endpoint: string;
  /** Whose session it is upstream: another server that takes this one's place must not see its id. */
  readonly server: string;
}

export interface Session {
  readonly upstreamId: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** SHA-256 of the id: what revocations name. */
  readonly digest: string;
}

export interface Sessions {
  seal(owner: SessionOwner, upstreamId: string): string;
  /** Undefined: forged, foreign, expired or ended. */
  find(id: string, owner: SessionOwner): Session | undefined;
  end(session: Session): Promise<void>;
}

export interface Revocations {
  has(digest: string): boolean;
  insert(digest: string, expiresAt: number): Promise<void>;
}

const VERSION = 's1';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const EXPIRY_BYTES = 8;

export function openSessions(deps: {
  readonly key: Buffer;
  readonly clock: Clock;
  readonly ttlSeconds: number;
  readonly revocations: Revocations;
}): Sessions {
  const { key, clock, revocations } = deps;
  const warm = new LRUCache<string, { data: string; session: Session }>({ max: 20_000 });

  return {
    seal(owner, upstreamId) {
      const expiry = Buffer.alloc(EXPIRY_BYTES);
      expiry.writeDoubleBE(clock.now() + deps.ttlSeconds * 1000);
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(ownerData(owner)));
      const sealed = Buffer.concat([
        iv,
        cipher.update(expiry),
        cipher.update(upstreamId, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return VERSION + sealed.toString('base64url');
    },
    find(id, owner) {
      const data = ownerData(owner);
      let entry = warm.get(id);
      if (!entry) {
        const session = unseal(key, id, data);
        if (!session) return undefined;
        entry = { data, session };
        warm.set(id, entry);
      }
      const { session } = entry;
      if (entry.data !== data || session.expiresAt <= clock.now() || revocations.has(session.digest)) return undefined;
      return session;
    },
    end: (session) => revocations.insert(session.digest, session.expiresAt),
  };
}

/** Injective: the principal's key carries its own length, the other three are UUIDs. */
function ownerData({ principal, org, endpoint, server }: SessionOwner): string {
  return `${org}\n${endpoint}\n${server}\n${principal}`;
}

function unseal(key: Buffer, id: string, data: string): Session | undefined {
  if (!id.startsWith(VERSION) || id.length > 8192) return undefined;
  const bytes = Buffer.from(id.slice(VERSION.length), 'base64url');
  if (bytes.length < IV_BYTES + EXPIRY_BYTES + TAG_BYTES || bytes.toString('base64url') !== id.slice(VERSION.length))
    return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(data));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  let plain: Buffer;
  try {
    plain = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
  return {
    upstreamId: plain.toString('utf8', EXPIRY_BYTES),
    expiresAt: plain.readDoubleBE(0),
    digest: hash('sha256', id, 'base64url'),
  };
}
