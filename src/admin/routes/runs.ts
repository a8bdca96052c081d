import { type Actor, getOrganization } from '#admin/actor.ts';
import { checkDefinition, checkVariables, isProgram, type ProgramTransport } from '#admin/commands.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { AdminRecords, OrganizationRow, ServerRow } from '#admin/records.ts';
import { exportRunConfig, exportYaml } from '#admin/run-export.ts';
import type { NewRunInput, RunShown } from '#admin/run-nouns.ts';
import { GatehouseError } from '#core/error.ts';
import { asCollectionId } from '#core/ids.ts';
import type { ServerTransport } from '#core/transport.ts';
import { putGrant } from '#records/grants.ts';
import { findGroup } from '#records/groups.ts';
import { listVariables } from '#records/server-variables.ts';
import type { ToolsInput } from '#records/tool-shaping.ts';
import { checkName } from './servers.ts';

type RunHandlers = Pick<Handlers, 'listRuns' | 'getRun' | 'createRun' | 'editRun' | 'listRunLogs' | 'exportRun'>;

export type ProgramRow = ServerRow & { readonly transport: ProgramTransport };

export function runHandlers(deps: AdminDeps): RunHandlers {
  const { records, running } = deps;
  return {
    async listRuns() {
      const rows = (await records.listServers()).filter(isProgramRow);
      return { items: rows.map((row) => shownRun(row, deps)) };
    },
    async getRun({ server }) {
      const row = await getRow(records, server);
      return { ...shownRun(row, deps), transport: { ...row.transport }, variables: await namesOf(records, row) };
    },
    async createRun(input, actor) {
      const { key, title = key, transport, variables = {}, port } = input;
      checkName(key);
      checkIsProgram(transport);
      checkDefinition(actor, transport);
      checkVariables(variables);
      await checkPort(records, key, port);
      const organization = await placeOf(records, input, actor);
      const values = { key, title, transport, trusted: false, port: port ?? undefined, managedBy: 'api' } as const;
      const row = await records.insertServer(values);
      if (Object.keys(variables).length > 0) await records.setVariables(row.id, variables);
      if (organization) await publish(records, { organization, row, input });
      await running?.settled();
      return shownRun(await getRow(records, key), deps);
    },
    async editRun({ server, title, transport, variables = {}, port }, actor) {
      checkIsProgram(transport);
      checkDefinition(actor, transport);
      checkVariables(variables);
      const row = await getOwnRow(records, server);
      await checkPort(records, server, port);
      await records.updateServer(row.id, {
        ...row,
        ...{ title: title ?? row.title, transport, managedBy: 'api' },
        port: port === undefined ? row.port : (port ?? undefined),
      });
      // In any case: what runs is no longer what is asked for.
      await records.setVariables(row.id, variables);
      await running?.settled();
      return shownRun(await getRow(records, server), deps);
    },
    async listRunLogs({ server, tail }) {
      const { id } = await getRow(records, server);
      const lines = running?.runs.lines(id, tail) ?? [];
      return { id, items: lines.map(({ at, run, text }) => ({ at: iso(at), run, text })) };
    },
    async exportRun({ server }) {
      const row = await getRow(records, server);
      const exportable = { ...row, port: row.port, variables: await namesOf(records, row) };
      return { yaml: exportYaml(exportable), runConfig: exportRunConfig(exportable) };
    },
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isProgramRow = (row: ServerRow): row is ProgramRow => isProgram(row.transport);

async function namesOf(records: AdminRecords, { id }: ServerRow): Promise<string[]> {
  return (await records.asPlatform((scope) => listVariables(scope, id))).map(({ name }) => name);
}

/** Throws `bad_request`. */
function checkIsProgram(transport: ServerTransport): void {
  if (isProgram(transport)) return;
  throw new GatehouseError('bad_request', {
    message: 'transport.kind is wrong: what is run is of kind stdio, process or container',
  });
}

/** Throws `not_found`, also for a server that is not run here. */
export async function getRow(records: AdminRecords, key: string): Promise<ProgramRow> {
  const found = (await records.listServers()).find((row) => row.key === key);
  if (found && isProgramRow(found)) return found;
  throw new GatehouseError('not_found', {
    message: `No server "${key}" is run here: see \`gatehouse list\``,
  });
}

/** As `getRow`; throws `conflict` for one of the configuration file. */
export async function getOwnRow(records: AdminRecords, key: string): Promise<ProgramRow> {
  const row = await getRow(records, key);
  if (row.managedBy !== 'file') return row;
  throw new GatehouseError('conflict', { message: `The server "${key}" is in gatehouse.yaml: change it there` });
}

/** Throws `conflict`. */
async function checkPort(records: AdminRecords, key: string, port: number | null | undefined): Promise<void> {
  if (port === undefined || port === null) return;
  const other = (await records.listServers()).find((row) => row.port === port && row.key !== key);
  if (other) throw new GatehouseError('conflict', { message: `The server "${other.key}" has the port ${port}` });
}

type Place = Pick<NewRunInput, 'organization' | 'group' | 'tools' | 'overrides'>;

/** Refused before anything is made. */
async function placeOf(records: AdminRecords, place: Place, actor: Actor): Promise<OrganizationRow | undefined> {
  const { organization: ref, group, tools, overrides } = place;
  if (ref === undefined) {
    if (!group && !tools && !overrides) return undefined;
    throw new GatehouseError('bad_request', { message: 'group, tools and overrides are of an organization: name it' });
  }
  const organization = await getOrganization(records, actor, ref);
  if (group !== undefined && !(await records.within(organization.id, (scope) => findGroup(scope, group))))
    throw new GatehouseError('not_found', { message: `There is no group "${group}": see \`gatehouse group list\`` });
  return organization;
}

interface Publishing {
  readonly organization: OrganizationRow;
  readonly row: ServerRow;
  readonly input: Place;
}

/** Chosen and renamed tools are a collection's: one of the server's name stands before it. */
async function publish(records: AdminRecords, { organization, row, input }: Publishing): Promise<void> {
  const { group } = input;
  const open = group === undefined;
  await records.putEnablement(organization.id, row.id, { enabled: true, allMembers: open, allowedRoles: [] });
  const tools = shapingOf(input);
  const collection =
    tools &&
    (await records.insertCollection(organization.id, {
      ...{ name: row.key, allowedRoles: open ? '*' : [], managedBy: 'api' },
      bindings: [
        { server: row.id, partition: undefined, credential: undefined, header: undefined, enforced: {}, tools },
      ],
    }));
  if (group === undefined) return;
  await records.within(organization.id, async (scope) => {
    const groupId = (await findGroup(scope, group))?.id;
    if (groupId === undefined) throw new GatehouseError('not_found');
    await putGrant(scope, { to: { groupId }, of: { serverId: row.id } });
    if (collection) await putGrant(scope, { to: { groupId }, of: { collectionId: asCollectionId(collection.id) } });
  });
}

/** `tools` are the names that callers see, as in ToolHive. */
export function shapingOf({ tools, overrides = {} }: Pick<Place, 'tools' | 'overrides'>): ToolsInput | undefined {
  if (!tools && Object.keys(overrides).length === 0) return undefined;
  const real = new Map(Object.entries(overrides).map(([tool, { name = tool }]) => [name, tool]));
  return {
    ...(tools && { choose: tools.map((name) => real.get(name) ?? name) }),
    rename: overrides,
  };
}

export function shownRun(row: ProgramRow, { running }: Pick<AdminDeps, 'running'>): RunShown {
  const programs = running?.runs.list().filter(({ server }) => server === row.id) ?? [];
  const lastExit = running?.runs.lastExit(row.id);
  const [first] = programs;
  const port = running?.ports.portOf(row.key) ?? row.port;
  return {
    ...{ server: row.key, title: row.title, kind: row.transport.kind, managedBy: row.managedBy },
    state: stateOf(row, { count: programs.length, reason: lastExit?.reason, code: lastExit?.code }),
    port: port ?? null,
    portProblem: running?.ports.problemOf(row.key) ?? null,
    startedAt: first ? iso(first.startedAt) : null,
    exits: running?.runs.exits(row.id) ?? 0,
    programs: programs.map(({ id, pid, container, org, startedAt, sandbox }) => ({
      ...{ id, pid: pid ?? null, container: container ?? null, organization: org ?? null, sandbox },
      startedAt: iso(startedAt),
    })),
    lastExit: lastExit ? { ...lastExit, at: iso(lastExit.at) } : null,
    createdAt: iso(row.createdAt?.getTime() ?? 0),
  };
}

interface Seen {
  readonly count: number;
  readonly reason: string | undefined;
  readonly code: number | null | undefined;
}

function stateOf({ active }: ServerRow, { count, reason, code }: Seen): RunShown['state'] {
  if (!active) return 'stopped';
  if (count > 0) return 'running';
  return reason === undefined || reason === 'stopped' || code === 0 ? 'ready' : 'failed';
}
