/** The older gateway's admin API as data (REQUIREMENTS S3.27): what each address reads and does, in its shapes. */
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization } from '#db/scope.ts';
import {
  getS3Group,
  insertS3Group,
  insertS3Member,
  listS3Analytics,
  listS3Endpoints,
  listS3Groups,
  listS3Keys,
  listS3Servers,
  listS3Users,
  putS3Endpoint,
  putS3Key,
  removeS3Group,
  removeS3Member,
  removeS3Route,
  type S3Group,
  type S3Key,
  setS3Servers,
} from '#records/compat-admin.ts';
import { credentialPlace, newCredentialId } from '#records/credentials.ts';
import type { Vault } from '#records/vault.ts';

export interface S3Deps {
  readonly db: Db;
  readonly vault: Pick<Vault, 'seal'>;
  readonly now: () => number;
  /** The URL as it is kept. Throws `bad_request` for an address that nothing of an organization may lead to. */
  readonly checkUrl: (url: string) => Promise<string>;
}

export interface S3Request {
  readonly org: OrgId;
  /** Path parameters, query and body together. */
  readonly input: unknown;
}

export interface S3Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Of the audit trail. */
  readonly action: string;
  readonly run: (request: S3Request, deps: S3Deps) => Promise<object>;
}

const name = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9-]+$/, 'Name may contain only letters, digits and hyphens');
const email = z
  .string()
  .max(320)
  .regex(/^\S+@\S+$/, 'must be an e-mail address');
const key = z.string().min(1).max(128);
const servers = z.array(key).max(1000);
const membership = z.object({ email, group_name: name });
const place = z.object({ tenant_id: name, server_id: key, key_name: z.string().max(128).default('') });
const namedGroup = z.object({ name });

function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const { success, data, error } = schema.safeParse(input);
  if (success) return data;
  const issue = error.issues[0];
  throw new GatehouseError('bad_request', {
    message: `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'wrong'}`,
  });
}

const reading =
  (work: (scope: OrganizationScope) => Promise<object>): S3Route['run'] =>
  ({ org }, { db }) =>
    withOrganization(db, org, work);

const counted = (noun: string, items: readonly unknown[]) => ({ count: items.length, [noun]: items });

const groupBody = ({ name: group_name, servers: tenants, users }: S3Group) => ({
  ...{ name: group_name, group_name, servers: tenants, users },
  ...{ user_count: users.length, server_count: tenants.length },
});

/** Never the key itself, nor its sealed text. */
const keyBody = (row: S3Key) => ({ ...row, configured: true, status: 'Configured' });

const placeOf = ({ tenant_id, server_id, key_name }: z.output<typeof place>) => ({
  ...{ group: tenant_id, server: server_id, keyName: key_name },
});

export const s3Routes: readonly S3Route[] = [
  {
    ...{ method: 'GET', path: '/users', action: 's3.users.list' },
    run: reading(async (scope) => counted('users', await listS3Users(scope))),
  },
  {
    ...{ method: 'POST', path: '/users/groups', action: 's3.users.add' },
    async run({ org, input }, { db }) {
      const wanted = parse(membership, input);
      await withOrganization(db, org, (scope) => insertS3Member(scope, wanted.group_name, wanted.email));
      return { status: 'success', ...wanted };
    },
  },
  {
    ...{ method: 'DELETE', path: '/users/groups', action: 's3.users.remove' },
    async run({ org, input }, { db }) {
      const wanted = parse(membership, input);
      await withOrganization(db, org, (scope) => removeS3Member(scope, wanted.group_name, wanted.email));
      return { status: 'success', ...wanted };
    },
  },
  {
    ...{ method: 'GET', path: '/groups', action: 's3.groups.list' },
    run: reading(async (scope) => counted('groups', (await listS3Groups(scope)).map(groupBody))),
  },
  {
    ...{ method: 'POST', path: '/groups', action: 's3.groups.create' },
    async run({ org, input }, { db }) {
      const named = z.union([
        z.object({ group_name: name, servers: servers.optional() }),
        z.object({ name, servers: servers.optional() }),
      ]);
      const { servers: keys = [], ...rest } = parse(named, input);
      const group = 'group_name' in rest ? rest.group_name : rest.name;
      return withOrganization(db, org, async (scope) => {
        await insertS3Group(scope, group);
        await setS3Servers(scope, group, keys);
        return { status: 'success', ...groupBody(await getS3Group(scope, group)) };
      });
    },
  },
  {
    ...{ method: 'GET', path: '/groups/:name', action: 's3.groups.read' },
    async run({ org, input }, { db }) {
      const wanted = parse(namedGroup, input);
      return withOrganization(db, org, async (scope) => groupBody(await getS3Group(scope, wanted.name)));
    },
  },
  {
    ...{ method: 'PUT', path: '/groups/:name', action: 's3.groups.update' },
    async run({ org, input }, { db }) {
      const wanted = parse(namedGroup.extend({ servers }), input);
      return withOrganization(db, org, async (scope) => {
        await setS3Servers(scope, wanted.name, wanted.servers);
        return { status: 'success', ...groupBody(await getS3Group(scope, wanted.name)) };
      });
    },
  },
  {
    ...{ method: 'DELETE', path: '/groups/:name', action: 's3.groups.delete' },
    async run({ org, input }, { db }) {
      const wanted = parse(namedGroup, input);
      const gone = await withOrganization(db, org, (scope) => removeS3Group(scope, wanted.name));
      return { status: 'success', users_removed: gone.users, servers_removed: gone.servers };
    },
  },
  {
    ...{ method: 'GET', path: '/tenant-keys', action: 's3.keys.list' },
    run: reading(async (scope) => counted('tenant_keys', (await listS3Keys(scope)).map(keyBody))),
  },
  {
    ...{ method: 'GET', path: '/tenant-keys/:tenant', action: 's3.keys.read' },
    async run({ org, input }, { db }) {
      const { tenant } = parse(z.object({ tenant: name }), input);
      const keys = await withOrganization(db, org, listS3Keys);
      const own = keys.filter((row) => row.tenant_id === tenant);
      return { tenant_id: tenant, ...counted('keys', own.map(keyBody)) };
    },
  },
  {
    ...{ method: 'POST', path: '/tenant-keys', action: 's3.keys.set' },
    async run({ org, input }, { db, vault, now }) {
      const { api_key, ...wanted } = parse(place.extend({ api_key: z.string().min(1).max(8192) }), input);
      const id = newCredentialId(now());
      const sealed = await vault.seal(org, credentialPlace(id), api_key);
      await withOrganization(db, org, (scope) => putS3Key(scope, placeOf(wanted), { id, sealed }));
      return { status: 'success', ...wanted, configured: true };
    },
  },
  {
    ...{ method: 'DELETE', path: '/tenant-keys', action: 's3.keys.delete' },
    async run({ org, input }, { db }) {
      const wanted = parse(place, input);
      await withOrganization(db, org, (scope) => removeS3Route(scope, placeOf(wanted), 'key'));
      return { status: 'success', ...wanted };
    },
  },
  {
    ...{ method: 'GET', path: '/endpoints', action: 's3.endpoints.list' },
    run: reading(async (scope) => counted('endpoints', await listS3Endpoints(scope))),
  },
  {
    ...{ method: 'POST', path: '/endpoints', action: 's3.endpoints.set' },
    async run({ org, input }, { db, checkUrl }) {
      const { endpoint_url: entered, ...wanted } = parse(place.extend({ endpoint_url: z.string().max(2048) }), input);
      const endpoint_url = await checkUrl(entered);
      await withOrganization(db, org, (scope) => putS3Endpoint(scope, placeOf(wanted), endpoint_url));
      return { status: 'success', ...wanted, endpoint_url };
    },
  },
  {
    ...{ method: 'DELETE', path: '/endpoints', action: 's3.endpoints.delete' },
    async run({ org, input }, { db }) {
      const wanted = parse(place, input);
      await withOrganization(db, org, (scope) => removeS3Route(scope, placeOf(wanted), 'url'));
      return { status: 'success', ...wanted };
    },
  },
  {
    ...{ method: 'GET', path: '/servers', action: 's3.servers.list' },
    run: reading(async (scope) => counted('servers', await listS3Servers(scope))),
  },
  {
    ...{ method: 'GET', path: '/analytics', action: 's3.analytics.read' },
    async run({ org, input }, { db }) {
      const { limit } = parse(z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) }), input);
      return withOrganization(db, org, async (scope) => counted('analytics', await listS3Analytics(scope, limit)));
    },
  },
];
