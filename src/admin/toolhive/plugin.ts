/**
 * `/api/v1beta/*`: the part of ToolHive's API that its clients manage workloads by (REQUIREMENTS S2.15), over the same
 * handlers as ours, for administrators of the platform alone. What it does not name is 404: it never stands behind other
 * paths (X2.1).
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Actor, originOf, type SignedInPerson } from '#admin/actor.ts';
import type { RouteInput, RouteName, RouteOutput } from '#admin/contract.ts';
import { listAll } from '#admin/lists.ts';
import { type AdminPluginDeps, identify } from '#admin/plugin.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { definitionOf, parseRequest, requestOf, statusOf, workloadOf } from './shapes.ts';

export interface ToolHiveDeps extends AdminPluginDeps {
  readonly baseUrl: string;
}

type Call = <Name extends RouteName>(name: Name, input: RouteInput<Name>) => Promise<RouteOutput<Name>>;

interface Asked {
  readonly call: Call;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: ToolHiveDeps;
}

const base = '/api/v1beta';

export function toolHivePlugin(deps: ToolHiveDeps): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: deps.maxBodyBytes ?? 256 * 1024 },
      app.getDefaultJsonParser('error', 'error'),
    );
    app.setErrorHandler((thrown, _request, reply) => {
      const status = typeof thrown === 'object' && thrown !== null && 'statusCode' in thrown ? thrown.statusCode : 0;
      const error = asGatehouseError(thrown);
      const code = typeof status === 'number' && status >= 400 && status < 500 ? status : error.row.http;
      deps.log[error.row.level]({ err: error, status: code }, 'workload request refused');
      return reply
        .code(code < 400 ? 403 : code)
        .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
        .type('text/plain; charset=utf-8')
        .send(`${error.message}\n`);
    });
    addWorkloads(app, deps);
    addRest(app, deps);
  };
}

type Method = 'GET' | 'POST' | 'DELETE';

function route(
  app: FastifyInstance,
  [method, path]: readonly [Method, string],
  { deps, answer }: { readonly deps: ToolHiveDeps; readonly answer: (asked: Asked) => Promise<unknown> },
): void {
  app.route({
    ...{ method, url: base + path, exposeHeadRoute: false },
    handler: async (request, reply) => {
      const actor: Actor | SignedInPerson = {
        ...(await identify(request, deps)),
        from: originOf(request.raw, deps.readAddress),
      };
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      return reply.send(await answer({ call: (name, input) => deps.run(name, input, actor), request, reply, deps }));
    },
  });
}

const named = z.object({ name: z.string().max(128) });
const nameOf = ({ params }: FastifyRequest): string => named.parse(params).name;

function addWorkloads(app: FastifyInstance, deps: ToolHiveDeps): void {
  const on = (method: Method, path: string, answer: (asked: Asked) => Promise<unknown>) =>
    route(app, [method, `/workloads${path}`], { deps, answer });
  on('GET', '', listWorkloads);
  on('POST', '', createWorkload);
  on('GET', '/:name', async ({ call, request }) => {
    const server = nameOf(request);
    return requestOf(server, (await call('exportRun', { server })).runConfig);
  });
  on('GET', '/:name/status', async ({ call, request }) => {
    return { status: statusOf(await call('getRun', { server: nameOf(request) })) };
  });
  on('GET', '/:name/export', async ({ call, request }) => {
    return (await call('exportRun', { server: nameOf(request) })).runConfig;
  });
  on('GET', '/:name/logs', async ({ call, request, reply }) => {
    const { items } = await call('listRunLogs', { server: nameOf(request), tail: 1000 });
    reply.type('text/plain; charset=utf-8');
    return items.map(({ at, text }) => `${at} ${text}\n`).join('');
  });
  on('GET', '/:name/proxy-logs', async ({ call, request, reply }) => {
    await call('getRun', { server: nameOf(request) });
    reply.type('text/plain; charset=utf-8');
    return 'Calls are in the trail: gatehouse audit\n';
  });
  on('POST', '/:name/edit', editWorkload);
  const orders = [
    ['POST', '/:name/stop', 'stopRun'],
    ['POST', '/:name/restart', 'restartRun'],
    ['DELETE', '/:name', 'removeRun'],
  ] as const;
  for (const [method, path, name] of orders)
    on(method, path, ({ call, request, reply }) => order({ call, reply }, name, [nameOf(request)]));
  const bulk = { stop: 'stopRun', restart: 'restartRun', delete: 'removeRun' } as const;
  for (const [path, name] of Object.entries(bulk))
    on('POST', `/${path}`, ({ call, request, reply }) => order({ call, reply }, name, namesIn(request.body)));
}

const bulkBody = z.object({ names: z.array(z.string().max(128)).min(1).max(200) });

function namesIn(body: unknown): readonly string[] {
  const parsed = bulkBody.safeParse(body);
  if (parsed.success) return parsed.data.names;
  throw new GatehouseError('bad_request', { message: 'names must be a list of at most 200' });
}

/** There a restart is how what was stopped runs again. */
async function order(
  { call, reply }: Pick<Asked, 'call' | 'reply'>,
  name: 'stopRun' | 'restartRun' | 'removeRun',
  servers: readonly string[],
): Promise<string> {
  for (const server of servers) {
    await call(name, { server });
    if (name === 'restartRun') await call('startRun', { server });
  }
  reply.code(202).type('text/plain; charset=utf-8');
  return '';
}

const listQuery = z.object({ all: z.string().optional() });

async function listWorkloads({ call, request, deps }: Asked): Promise<unknown> {
  const { all } = listQuery.parse(request.query);
  const items = await listAll(call, 'listRuns', {});
  const wanted = items.filter(({ state }) => all === 'true' || state !== 'stopped');
  const workloads = await Promise.all(
    wanted.map(async (run) => {
      const { runConfig } = await call('exportRun', { server: run.server });
      return workloadOf(run, runConfig, deps.baseUrl);
    }),
  );
  return { workloads };
}

async function createWorkload({ call, request, reply, deps }: Asked): Promise<unknown> {
  const given = parseRequest(request.body);
  const { transport, variables, port } = definitionOf(given);
  const items = await listAll(call, 'listOrganizations', {});
  const only = given.organization || (items.length === 1 ? items[0]?.slug : undefined);
  const group = given.group && given.group !== 'default' ? given.group : undefined;
  const made = await call('createRun', {
    ...{ key: given.name ?? '', transport, variables, port },
    ...(only !== undefined && { organization: only }),
    ...(group !== undefined && { group }),
    ...(given.tools && given.tools.length > 0 && { tools: given.tools }),
    ...(given.tools_override && { overrides: given.tools_override }),
  });
  reply.code(201);
  return { name: made.server, port: portOf(made, deps) };
}

async function editWorkload({ call, request, deps }: Asked): Promise<unknown> {
  const { transport, variables, port } = definitionOf(parseRequest(request.body));
  const made = await call('editRun', { server: nameOf(request), transport, variables, port });
  return { name: made.server, port: portOf(made, deps) };
}

const portOf = (run: RouteOutput<'createRun'>, { baseUrl }: ToolHiveDeps): number =>
  run.port ?? Number(new URL(baseUrl).port || 443);

/** What has no counterpart here is empty, as ToolHive's is where nothing was set up. */
function addRest(app: FastifyInstance, deps: ToolHiveDeps): void {
  const on = (path: string, answer: (asked: Asked) => Promise<unknown>) => route(app, ['GET', path], { deps, answer });
  const fixed = (path: string, body: unknown) =>
    on(path, async ({ call }) => {
      await call('getStatus', {});
      return body;
    });
  fixed('/version', { version: deps.version });
  fixed('/clients', []);
  fixed('/discovery/clients', { clients: [] });
  fixed('/registry', { registries: [] });
  fixed('/registry/default/servers', { servers: [] });
  fixed('/secrets', {
    name: 'gatehouse',
    provider_type: 'encrypted',
    capabilities: { can_read: false, can_write: false, can_delete: false, can_list: true, can_cleanup: false },
  });
  on('/secrets/default/keys', async ({ call }) => {
    const items = await listAll(call, 'listRuns', {});
    const found = await Promise.all(
      items.map(async ({ server }) =>
        (await call('listRunVariables', { server, limit: 1000 })).items.map(({ name }) => `${server}/${name}`),
      ),
    );
    return { keys: found.flat().map((key) => ({ key })) };
  });
  on('/groups', async ({ call }) => {
    const organizations = await listAll(call, 'listOrganizations', {});
    const lists = await Promise.all(
      organizations.map(({ slug }) => listAll(call, 'listGroups', { organization: slug })),
    );
    const names = new Set(['default', ...lists.flat().map(({ name }) => name)]);
    return { groups: [...names].map((name) => ({ name, registered_clients: [] })) };
  });
}
