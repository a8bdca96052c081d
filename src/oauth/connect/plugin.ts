/**
 * Pages that link accounts: whoever uses them is signed in here as exactly the person who was asked to (SECURITY A3), says
 * yes on a page of ours, and comes back in the same browser, as the same person, once.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Sealer } from '#core/sealer.ts';
import type { AddressReader } from '#http/client-address.ts';
import { formHeaders, pageHeaders } from '#http/page.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { type FormGuard, openFormGuard } from '#oauth/interaction/form-guard.ts';
import { onwardLink } from '#oauth/interaction/onward.ts';
import type { User } from '#records/users.ts';
import { openTicket } from './account-errors.ts';
import type { AccountEvent, RecordAccount } from './account-trail.ts';
import { type ConnectionsDeps, type Linkable, openConnections } from './connections.ts';
import { callbackPath, clientDocument, documentPath } from './foreign-clients.ts';
import { houseClientId, signedInPath } from './house-client.ts';
import { connectPage, listPage, type NoticeKey, noticePage, notices } from './pages.ts';
import { safely } from './token-requests.ts';

export interface ConnectPluginDeps extends ConnectionsDeps {
  readonly server: Pick<AuthorizationServer, 'personOf' | 'strangers'>;
  /** Of the sign-in's own pages, which lead a browser on. */
  readonly onward: Sealer;
  readonly record: RecordAccount;
  readonly readAddress: AddressReader;
  /** 32 bytes of their own. */
  readonly formKey: Uint8Array;
  /** What the person may use in an organization, by any of its names; undefined: they are no member. */
  readonly linkables: (person: User, organization: string) => Promise<readonly Linkable[] | undefined>;
}

type Names = { readonly Params: { readonly org: string; readonly server: string } };
type Page = Names & { readonly Querystring: Readonly<Record<string, unknown>> };

const field = z.string().max(2048).optional();
const formFields = z.object({ csrf: field, for: field, do: z.enum(['connect', 'disconnect']) });

const RETURN = 'connect-return';
const RETURN_MS = 900_000;

export function connectPlugin(deps: ConnectPluginDeps): FastifyPluginAsync {
  return async (app) => {
    const rooms = { ...deps, connections: openConnections(deps), guard: openFormGuard(deps.formKey, deps.baseUrl) };
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 16_384 },
      (_request, body, done) => done(null, String(body)),
    );
    app.setErrorHandler((thrown, _request, reply) => sendError(reply, thrown, deps));
    app.get(documentPath, (_request, reply) =>
      reply.header('cache-control', 'public, max-age=3600').send(clientDocument(deps.baseUrl)),
    );
    addPages(app, rooms);
    addReturns(app, rooms);
  };
}

interface Rooms extends ConnectPluginDeps {
  readonly connections: ReturnType<typeof openConnections>;
  readonly guard: FormGuard;
}

function addPages(app: FastifyInstance, rooms: Rooms): void {
  const { connections, baseUrl } = rooms;
  app.get<{ Params: { org: string } }>('/connect/:org', async (request, reply) => {
    const person = await personOf(request, reply, rooms);
    if (!person) return toSignIn(request, reply, rooms);
    const all = await rooms.linkables(person, request.params.org);
    const [first] = all ?? [];
    if (!all || !first) return sendNotice(reply, 'not_here');
    const accounts = new Map((await connections.list(person.id, first)).map((account) => [account.server, account]));
    const rows = all.map(({ organization, server }) => ({
      title: server.title,
      url: `${baseUrl}/connect/${organization.slug}/${server.key}`,
      account: accounts.get(server.id),
    }));
    return send(reply, 200, listPage({ organization: first.organization.name, rows }));
  });
  app.get<Page>('/connect/:org/:server', async (request, reply) => {
    const ticket = textOf(request.query.for);
    const found = await admit(request, reply, rooms, ticket);
    return 'person' in found ? sendPage(request, reply, { ...rooms, ...found, ticket }) : found;
  });
  app.post<Names>('/connect/:org/:server', async (request, reply) => {
    await rooms.server.strangers.take(request.raw);
    const form = parseForm(request.body);
    const found = await admit(request, reply, rooms, form.for);
    if (!('person' in found)) return found;
    const { person, target } = found;
    if (!rooms.guard.isGood(request.headers, placeOf(person, target), form.csrf)) {
      rooms.log.warn(
        { event: 'form_refused', site: request.headers['sec-fetch-site'] },
        'accounts: a form was refused',
      );
      return sendNotice(reply, 'refused_form');
    }
    if (form.do === 'disconnect') {
      const gone = await connections.remove(person.id, target);
      const { issuer, id: account } = gone ?? {};
      if (issuer !== undefined)
        await recordOf(request, rooms, { ...about(person, target), issuer, account, action: 'account.unlinked' });
      return redirect(reply, pageOf(target, rooms));
    }
    const { url, cookie } = await connections.begin(person.id, target);
    return redirect(
      reply.header('set-cookie', cookie),
      onwardLink({ issuer: baseUrl, sealer: rooms.onward }, 'connect', url),
    );
  });
}

function addReturns(app: FastifyInstance, rooms: Rooms): void {
  const { connections, baseUrl, log, sealer, clock } = rooms;
  app.get(callbackPath, async (request, reply) => {
    const callback = new URL(baseUrl + callbackPath);
    callback.search = new URL(request.raw.url ?? '', 'http://localhost').search;
    const { attempt, cookie } = await connections.take(callback, request.headers.cookie);
    if (cookie !== undefined) reply.header('set-cookie', cookie);
    if (!attempt) {
      log.warn({ event: 'callback_refused', reason: 'invalid_state' }, 'accounts: a callback was refused');
      return sendNotice(reply, 'expired');
    }
    const person = await personOf(request, reply, rooms);
    if (person?.id !== attempt.user) {
      log.warn({ event: 'callback_refused', reason: 'wrong_person' }, 'accounts: a callback was refused');
      return sendNotice(reply, 'wrong_person');
    }
    const target = (await rooms.linkables(person, attempt.org))?.find(({ server }) => server.id === attempt.server);
    if (!target) return sendNotice(reply, 'not_here');
    const outcome = await connections.finish(callback, attempt, target);
    const linked = { ...about(person, target), issuer: attempt.issuer, action: 'account.linked' } as const;
    const isLinked = outcome === 'connected';
    await recordOf(request, rooms, isLinked ? linked : { ...linked, refused: 'account_required', reason: outcome });
    return isLinked ? redirect(reply, pageOf(target, rooms)) : sendNotice(reply, outcome);
  });
  app.get<Page>(signedInPath, async (request, reply) => {
    const opened = sealer.open(RETURN, textOf(request.query.state) ?? '');
    const [until = '', path = ''] = opened?.split(' ') ?? [];
    // Only paths that were sealed here lead anywhere.
    if (!path.startsWith('/connect/') || Number(until) < clock.now()) return sendNotice(reply, 'expired');
    return redirect(reply, baseUrl + path);
  });
}

const about = (whose: User, { organization: { id: org }, server: { key: server } }: Linkable) => ({
  whose,
  org,
  server,
});

async function recordOf({ raw }: FastifyRequest, { record, readAddress }: Rooms, event: AccountEvent): Promise<void> {
  const { socket, headers } = raw;
  const address = socket.remoteAddress ?? '';
  await record({
    ...event,
    clientAddress: readAddress(address, headers['x-forwarded-for']?.toString()),
    userAgent: headers['user-agent'],
  });
}

/** Sent already, or who it is and what they are about to connect. */
async function admit(
  request: FastifyRequest<Names>,
  reply: FastifyReply,
  rooms: Rooms,
  ticket: string | undefined,
): Promise<FastifyReply | { readonly person: User; readonly target: Linkable }> {
  const person = await personOf(request, reply, rooms);
  if (!person) return request.method === 'GET' ? toSignIn(request, reply, rooms) : sendNotice(reply, 'expired');
  const asked = ticket === undefined ? undefined : openTicket(ticket, { sealer: rooms.sealer, now: rooms.clock.now });
  if (ticket !== undefined && !asked) return sendNotice(reply, 'expired');
  if (asked && asked.user !== person.id) {
    rooms.log.warn({ event: 'link_refused', user: person.id }, 'accounts: a link of somebody else was opened');
    return sendNotice(reply, 'wrong_person');
  }
  const { org, server: key } = request.params;
  const target = (await rooms.linkables(person, org))?.find(({ server }) => server.key === key);
  const isAsked = target && (!asked || (asked.server === target.server.id && asked.org === target.organization.id));
  return isAsked ? { person, target } : sendNotice(reply, 'not_here');
}

async function sendPage(
  request: FastifyRequest<Names>,
  reply: FastifyReply,
  { person, target, ticket, ...rooms }: Rooms & { person: User; target: Linkable; ticket: string | undefined },
): Promise<FastifyReply> {
  const { csrf, cookie } = rooms.guard.issue(request.headers, placeOf(person, target));
  if (cookie !== undefined) reply.header('set-cookie', cookie);
  const html = connectPage({
    title: target.server.title,
    organization: target.organization.name,
    person: person.email ?? person.username ?? person.name ?? person.subject,
    host: await rooms.connections.hostOf(target),
    account: await rooms.connections.find(person.id, target),
    csrf,
    ticket,
    action: new URL(pageOf(target, rooms)).pathname,
    back: `${rooms.baseUrl}/connect/${target.organization.slug}`,
  });
  return reply.headers(formHeaders).type('text/html; charset=utf-8').send(html);
}

const personOf = ({ raw }: FastifyRequest, reply: FastifyReply, { server }: Rooms) => server.personOf(raw, reply.raw);

/** By the gateway's own sign-in, and back. */
async function toSignIn({ raw }: FastifyRequest, reply: FastifyReply, rooms: Rooms): Promise<FastifyReply> {
  await rooms.server.strangers.take(raw);
  const { sealer, clock, baseUrl } = rooms;
  const path = raw.url ?? '/';
  if (path.length > 2000 || path.includes(' ')) return sendNotice(reply, 'expired');
  const query = new URLSearchParams({
    client_id: houseClientId,
    redirect_uri: baseUrl + signedInPath,
    response_type: 'code',
    scope: 'openid',
    state: sealer.seal(RETURN, `${clock.now() + RETURN_MS} ${path}`),
    // Nobody redeems the code: that the person is signed in is all that is wanted.
    code_challenge: createHash('sha256').update(randomBytes(32)).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return redirect(reply, `${baseUrl}/authorize?${query}`);
}

const placeOf = ({ id }: User, { organization, server }: Linkable) => `connect ${organization.id} ${server.id} ${id}`;
const pageOf = ({ organization, server }: Linkable, { baseUrl }: Rooms) =>
  `${baseUrl}/connect/${organization.slug}/${server.key}`;
const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** Throws `bad_request`. */
function parseForm(body: unknown): z.output<typeof formFields> {
  const fields = new URLSearchParams(typeof body === 'string' ? body : '');
  const parsed = formFields.safeParse(Object.fromEntries(fields));
  if (!parsed.success || [...fields].length !== new Set(fields.keys()).size) throw new GatehouseError('bad_request');
  return parsed.data;
}

function redirect(reply: FastifyReply, url: string): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).code(303).redirect(url);
}

function send(reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply.code(status).headers(pageHeaders).type('text/html; charset=utf-8').send(html);
}

const sendNotice = (reply: FastifyReply, key: NoticeKey) => send(reply, notices[key].status, noticePage(notices[key]));

function sendError(reply: FastifyReply, thrown: unknown, { log }: ConnectPluginDeps): FastifyReply {
  const error = asGatehouseError(thrown);
  if (error.code === 'not_found') return sendNotice(reply, 'not_here');
  if (error.code === 'bad_request') return sendNotice(reply, 'refused_form');
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500;
  if (status < 500) return sendNotice(reply, 'refused_form');
  log.warn({ event: 'connect_failed', err: safely(thrown) }, 'accounts: a page failed');
  return sendNotice(reply.header('retry-after', '5'), 'unavailable');
}
