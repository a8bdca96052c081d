/** The admin API over a database of its own, through HTTP, without the rest of the gateway. */
import { randomBytes } from 'node:crypto';
import fastify from 'fastify';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { openAdmin } from '#admin/handlers.ts';
import { adminPlugin } from '#admin/plugin.ts';
import { openAdminRecords } from '#admin/storage.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { type ApiKeyPrincipal, principalKey } from '#core/principal.ts';
import { openSealer } from '#core/sealer.ts';
import { Secret } from '#core/secret.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { looksLikeApiKey, openApiKeys, parseApiKey } from '#records/api-key.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import { findKey } from '#records/keys.ts';
import { openVault } from '#records/vault.ts';

export interface Sent {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** undefined: the platform's token. */
  readonly bearer?: string | undefined;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire
  readonly json: any;
  readonly type: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface AdminApi {
  readonly database: TestDatabase;
  /** `GET /servers`, below the base of the API, or a whole path that begins with /admin. */
  send(line: string, sent?: Sent): Promise<Answered>;
  close(): Promise<void>;
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export async function openAdminApi(): Promise<AdminApi> {
  const database = await createTestDatabase();
  const { db } = database;
  const token = new Secret('admin-token-of-this-test');
  const rootSecret = new Secret('kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB');
  const deps = { rootSecret, clock: systemClock, log: silentLog };
  const kms = await kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment' }), deps);
  const vault = openVault({ kms, store: openDataKeyStore(db), clock: systemClock });
  const keys = openApiKeys(rootSecret);
  const sealer = openSealer(randomBytes(32));
  const records = openAdminRecords({ db, vault, sealer, keys, clock: systemClock, keyMode: 'test' });
  const run = openAdmin({
    ...{ policies: openCedar(), records, clock: systemClock, audit: () => undefined },
    status: () => ({ status: 'healthy', version: '1', demo: true, url: 'http://x' }) as const,
    readLimit: () => ({ used: 0, resetMs: 0 }),
    rotateSigningKeys: async () => ({ kid: 'new', signsAt: 0 }),
  });
  const verifyKey = async (presented: string): Promise<ApiKeyPrincipal> => {
    const parsed = parseApiKey(presented);
    const row = parsed && (await findKey(db, parsed.id));
    if (!row || row.revokedAt !== undefined || !keys.check(parsed.secret, row.digest))
      throw new GatehouseError('invalid_token');
    const { id: keyId, org, name, roles } = row;
    return { kind: 'api-key', key: principalKey('gatehouse:api-key', keyId), keyId, org, name, roles };
  };
  const app = fastify({ routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2048 } });
  await app.register(adminPlugin({ run, token, verifyKey, looksLikeApiKey, log: silentLog, version: '1' }));
  await app.ready();
  return {
    database,
    async send(line, { body, headers = {}, bearer = token.reveal() } = {}) {
      const [method, url = ''] = line.split(' ');
      const response = await app.inject({
        method: methods.find((each) => each === method) ?? 'GET',
        url: url.startsWith('/admin') ? url : `/admin/api/v1${url}`,
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { payload: JSON.stringify(body) }),
        remoteAddress: '127.0.0.1',
      });
      const type = String(response.headers['content-type']);
      return {
        status: response.statusCode,
        json: type.includes('json') ? response.json() : response.body,
        ...{ type, headers: response.headers },
      };
    },
    async close() {
      await app.close();
      await database.close();
    },
  };
}
