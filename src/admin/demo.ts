/**
 * The demo: one organization, the builtin servers and the official ones that are installed, all enabled for every member,
 * one API key and one local account, each shown once. Runs at every start of a demo and changes nothing that is there.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { hashPassword, makePassword } from '#core/password.ts';
import { Secret } from '#core/secret.ts';
import type { ServerTransport, StdioTransport } from '#core/transport.ts';
import { binOf } from './installed-bin.ts';
import type { AdminRecords, NewServer, OrganizationRow, ServerRow } from './records.ts';

export const demoOrganization = 'demo';
/** Made with it: administers all of it. */
export const demoAccount = 'admin';

export interface DemoOptions {
  /** Where examples/files is, absolute. */
  readonly root: string;
  /** Where the memory server keeps its graph, absolute. */
  readonly dataDir: string;
  /** A package's entry of `bin`, absolute; undefined: not installed. */
  readonly findBin?: (packageName: string) => string | undefined;
  /** People can sign in: there is an account to do it with. */
  readonly signIn?: boolean;
}

export interface FirstAccount {
  readonly username: string;
  readonly password: Secret;
}

export interface Demo {
  readonly organization: OrganizationRow;
  readonly servers: readonly string[];
  /** Only when the organization had no key at all yet. */
  readonly firstKey: Secret | undefined;
  /** Only when there was no local account at all yet. */
  readonly firstAccount: FirstAccount | undefined;
}

export async function ensureDemo(records: AdminRecords, options: DemoOptions): Promise<Demo> {
  const organization =
    (await records.findOrganization(demoOrganization)) ??
    (await records.insertOrganization({ slug: demoOrganization, externalId: undefined, name: 'Demo' }));
  const known = new Map((await records.listServers()).map((row) => [row.key, row]));
  const wanted = demoServers(options);
  for (const values of wanted) await ensureServer(records, { organization, values, found: known.get(values.key) });
  return {
    organization,
    servers: wanted.map(({ key }) => key),
    firstKey: await ensureKey(records, organization),
    firstAccount: options.signIn ? await ensureAccount(records, organization) : undefined,
  };
}

interface Ensuring {
  readonly organization: OrganizationRow;
  readonly values: NewServer;
  readonly found: ServerRow | undefined;
}

/** A stdio command is renewed when it moved (another Node, another folder); what an operator disabled stays disabled. */
async function ensureServer(records: AdminRecords, { organization, values, found }: Ensuring): Promise<void> {
  const moved =
    found?.transport.kind === 'stdio' && JSON.stringify(found.transport) !== JSON.stringify(values.transport);
  if (found && moved) await records.updateServer(found.id, { ...values, title: found.title, trusted: found.trusted });
  const server = found ?? (await records.insertServer(values));
  if (await records.findEnablement(organization.id, server.id)) return;
  await records.putEnablement(organization.id, server.id, { enabled: true, allMembers: true, allowedRoles: [] });
}

async function ensureKey(records: AdminRecords, { id }: OrganizationRow): Promise<Secret | undefined> {
  if ((await records.listKeys(id)).length > 0) return undefined;
  const values = { name: 'first start', roles: ['member'], endpoints: undefined, expiresAt: undefined };
  return (await records.insertKey(id, values)).text;
}

async function ensureAccount(records: AdminRecords, { id: org }: OrganizationRow): Promise<FirstAccount | undefined> {
  if ((await records.listAccounts()).length > 0) return undefined;
  const username = demoAccount;
  const password = makePassword();
  const membership = { org, roles: ['member'] };
  const digest = await hashPassword(password);
  await records.insertAccount({ username, name: undefined, email: undefined, digest, membership });
  return { username, password: new Secret(password) };
}

const builtins: readonly (readonly [key: string, title: string])[] = [
  ['time', 'Time and time zones'],
  ['fetch', 'Web pages as text'],
  ['echo-stateful', 'Echo, one session per client'],
  ['echo-stateless', 'Echo, no sessions'],
];

function demoServers({ root, dataDir, findBin = findInstalledBin }: DemoOptions): readonly NewServer[] {
  const official = (key: string, title: string, more: Partial<StdioTransport> = {}): NewServer[] => {
    const bin = findBin(`@modelcontextprotocol/server-${key}`);
    if (bin === undefined) return [];
    const { args = [], ...rest } = more;
    const transport = { kind: 'stdio', command: process.execPath, env: {}, state: 'stateful', ...rest } as const;
    return [define(key, title, { ...transport, args: [bin, ...args] })];
  };
  return [
    ...builtins.map(([key, title]) => define(key, title, { kind: 'builtin', name: key })),
    ...official('everything', 'Everything of the protocol'),
    ...official('filesystem', 'Files of examples/files', { args: [filesFolder(root, dataDir)] }),
    ...official('memory', 'Knowledge graph', { env: { MEMORY_FILE_PATH: join(dataDir, 'memory.jsonl') } }),
    ...official('sequential-thinking', 'Thinking step by step'),
  ];
}

/** The examples of a clone; in the package, which has none, a folder of the data directory. */
function filesFolder(root: string, dataDir: string): string {
  const examples = join(root, 'examples', 'files');
  if (existsSync(examples)) return examples;
  const own = join(dataDir, 'files');
  mkdirSync(own, { recursive: true });
  return own;
}

function define(key: string, title: string, transport: ServerTransport): NewServer {
  return { key, title, transport, trusted: false, managedBy: 'api' };
}

/** By the resolver's own search path, so that `exports` of the package cannot hide its manifest. */
export function findInstalledBin(packageName: string): string | undefined {
  for (const folder of createRequire(import.meta.url).resolve.paths(packageName) ?? []) {
    const bin = binOf(join(folder, packageName));
    if (bin !== undefined) return bin.file;
  }
  return undefined;
}
