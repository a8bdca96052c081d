/** Servers that come from elsewhere become an organization's, sealed key included; programs become the platform's. */
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { AddressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import { putEnablement } from '#records/enablements.ts';
import type { GivenAuth } from '#records/server-auth.ts';
import { insertServer, removeServer } from '#records/servers.ts';
import type { Actor } from './actor.ts';
import { commandLine } from './catalog/entry.ts';
import { checkDefinition, checkVariables } from './commands.ts';
import type { AdminRecords, OrganizationRow } from './records.ts';
import { naming } from './routes/naming.ts';
import { checkName } from './routes/servers.ts';

export interface ServerToMake {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly auth?: GivenAuth | undefined;
  readonly credential: string | undefined;
  /** Of a program: sealed with it. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly header: { readonly name: string; readonly template: string } | undefined;
}

export interface Making {
  readonly records: AdminRecords;
  readonly guard: AddressGuard;
  readonly actor: Actor;
  readonly organization: OrganizationRow;
  readonly consent: readonly string[];
  readonly access: { readonly allMembers: boolean; readonly allowedRoles: readonly string[] };
}

/** What would run here; undefined: nothing. */
export function shownCommand(transport: ServerTransport): string | undefined {
  if (transport.kind === 'stdio') return commandLine({ ...transport, kind: 'stdio' });
  return transport.kind === 'container' ? commandLine({ ...transport, kind: 'container' }) : undefined;
}

/**
 * Everything that can be said before anything is made. Throws `forbidden` for a program that somebody else asks for than
 * who holds this machine (SECURITY G1), `bad_request` without consent to it, and for an address that is not to be reached.
 */
export async function checkServer(server: ServerToMake, { guard, actor, consent }: Making): Promise<ServerToMake> {
  const { key, transport } = server;
  checkName(key);
  const command = shownCommand(transport);
  if (command === undefined && transport.kind !== 'http' && transport.kind !== 'sse')
    throw new GatehouseError('bad_request', { message: `"${key}" is of a kind that cannot be added here` });
  if (command === undefined && (transport.kind === 'http' || transport.kind === 'sse')) {
    if (/[{}]/.test(transport.url))
      throw new GatehouseError('bad_request', { message: `The address of "${key}" has places that nobody fills` });
    return { ...server, transport: { ...transport, url: await checkTarget(guard, transport.url) } };
  }
  checkDefinition(actor, transport);
  checkVariables(server.variables ?? {});
  if (command === undefined || !consent.includes(command))
    throw new GatehouseError('bad_request', {
      message: `"${key}" would run \`${command}\`: agree to exactly that first`,
    });
  return server;
}

/** Of a server that was checked. Nothing is left of it where its key cannot be sealed. */
export async function makeServer(server: ServerToMake, making: Making): Promise<void> {
  const { key, transport, credential, header, auth } = server;
  const { records, organization } = making;
  const isPlatforms = shownCommand(transport) !== undefined || auth !== undefined;
  const { id, undo } = isPlatforms ? await makePlatforms(server, making) : await makeOwn(server, making);
  if (credential === undefined) return;
  const route = { server: key, keyName: '', credential: new Secret(credential), url: undefined, keepCredential: false };
  try {
    await records.putCredential(organization.id, { ...route, ...(header && { header }) });
  } catch (thrown) {
    await undo();
    throw thrown;
  }
  // Nobody reaches it without its key in between.
  await records.putEnablement(organization.id, id, { enabled: true, ...making.access });
}

async function makeOwn({ key, title, transport, credential }: ServerToMake, { records, organization, access }: Making) {
  const id = await naming(`A server "${key}" exists already in this organization`, () =>
    records.within(organization.id, async (scope) => {
      const made = await insertServer(scope, { key, title, transport });
      await putEnablement(scope, { server: made.id, enabled: credential === undefined, ...access });
      return made.id;
    }),
  );
  return { id, undo: () => records.within(organization.id, (scope) => removeServer(scope, id)) };
}

async function makePlatforms(
  { key, title, transport, auth, credential, variables = {} }: ServerToMake,
  { records, organization, access }: Making,
) {
  const { id } = await records.insertServer({ key, title, transport, auth, trusted: false, managedBy: 'api' });
  const undo = () => records.asPlatform((scope) => removeServer(scope, id));
  if (Object.keys(variables).length > 0) {
    try {
      await records.setVariables(id, variables);
    } catch (thrown) {
      await undo();
      throw thrown;
    }
  }
  await records.putEnablement(organization.id, id, { enabled: credential === undefined, ...access });
  return { id, undo };
}
