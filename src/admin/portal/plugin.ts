/**
 * The portal's door: signing in and out, who is signed in, and the files of the portal for whoever may open it. People sign
 * in at our own authorization server, as everybody does; whoever holds the data directory comes by a link, once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, actorName, originOf, type SignedInPerson } from '#admin/actor.ts';
import { adminBase } from '#admin/contract.ts';
import type { AdminDeps } from '#admin/handlers.ts';
import { sendProblem } from '#admin/problem.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import type { AddressReader } from '#http/client-address.ts';
import { asksForPage, pageHeaders } from '#http/page.ts';
import type { User } from '#records/users.ts';
import { type CallersDeps, callerFinder, type FindCaller, type PortalCaller } from './callers.ts';
import { readPortalPage } from './files.ts';
import { parseNext } from './next-path.ts';
import { type Notice, noticeHtml, notices } from './notices.ts';
import { type AnswerDeps, isAdministrator, sessionAnswer } from './session-answer.ts';

/** At our own authorization server. */
export interface PortalSignIn {
  /** Where the browser goes to; it comes back to `/mcp-admin/signed-in` with the state. `again`: whoever is signed in there does so anew. */
  readonly urlOf: (state: string, again: boolean) => string;
  /** Who signed in there with this browser, and when (Unix milliseconds). */
  readonly find: (
    req: IncomingMessage,
    res: ServerResponse,
  ) => Promise<{ readonly user: User; readonly signedInAt: number } | undefined>;
  readonly end: (req: IncomingMessage, res: ServerResponse) => Promise<void>;
}

export interface PortalDeps extends CallersDeps, AnswerDeps {
  /** undefined: nobody signs in here with a browser. */
  readonly signIn: PortalSignIn | undefined;
  /** Its pages are at `/`, and `/admin` is one of them. */
  readonly isBesideOpenWebui: boolean;
  readonly baseUrl: string;
  /** Of the built portal, absolute. */
  readonly folder: string;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AdminDeps['audit'];
  readonly readAddress: AddressReader;
  /** Counts a failed sign-in. */
  readonly takeStranger: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
}

interface Rooms extends PortalDeps {
  readonly findCaller: FindCaller;
  /** Path of the gateway as browsers see it, no trailing slash. */
  readonly base: string;
  /** Of the portal. */
  readonly home: '/admin' | '/mcp-admin';
}

const RETURN = 'portal-return';
const RETURN_MS = 900_000;

export interface Portal {
  readonly plugin: FastifyPluginAsync;
  /** For other plugins whose addresses are pages to a browser. */
  readonly sendPage: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
}

export function openPortal(deps: PortalDeps): Portal {
  const rooms: Rooms = {
    ...deps,
    findCaller: callerFinder(deps),
    base: new URL(deps.baseUrl).pathname.replace(/\/$/, ''),
    home: deps.isBesideOpenWebui ? '/mcp-admin' : '/admin',
  };
  const plugin: FastifyPluginAsync = async (app) => {
    const { folder } = deps;
    await app.register(fastifyStatic, { root: folder, serve: false, preCompressed: true, index: false });
    addSession(app, rooms);
    addDoor(app, rooms);
    addPages(app, rooms);
  };
  return { plugin, sendPage: (request, reply) => sendPage(request, reply, rooms) };
}

function addSession(app: FastifyInstance, rooms: Rooms): void {
  const { log, sessions, signIn, base } = rooms;
  const url = `${adminBase}/session`;
  const headers = { 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' };
  const errorHandler = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) =>
    sendProblem(reply.headers(headers), request, { error: asGatehouseError(thrown), log });
  const getCaller = async ({ raw }: FastifyRequest): Promise<PortalCaller> => {
    const caller = await rooms.findCaller(raw);
    if (!caller) throw new GatehouseError('no_token');
    sessions.check(raw.method ?? '', raw.headers, caller.sessionId);
    return caller;
  };
  app.get(url, { errorHandler, exposeHeadRoute: false }, async (request, reply) =>
    reply.headers(headers).send(await sessionAnswer(await getCaller(request), rooms)),
  );
  app.delete(url, { errorHandler }, async (request, reply) => {
    const { kind, actor } = await getCaller(request);
    const cookie = await sessions.end(request.raw.headers);
    if (kind === 'person') await signIn?.end(request.raw, reply.raw);
    await record(request, rooms, { action: 'session.end', actor });
    const next = kind === 'open-webui' ? '/' : `${base}/mcp-admin/signed-out`;
    return reply.headers(headers).header('set-cookie', cookie).send({ next });
  });
}

type Asked = { readonly Querystring: Readonly<Record<string, unknown>> };

function addDoor(app: FastifyInstance, rooms: Rooms): void {
  const { base, home, signIn, sealer, clock, sessions } = rooms;
  const door = (
    name: string,
    handler: (request: FastifyRequest<Asked>, reply: FastifyReply) => Promise<FastifyReply>,
  ) => {
    for (const place of ['/mcp-admin', '/admin']) app.get<Asked>(`${place}/${name}`, handler);
  };
  door('sign-in', async ({ query }, reply) => {
    if (!signIn) return sendNotice(reply, notices.noSignIn());
    const next = parseNext(query.next, home);
    const state = sealer.seal(RETURN, `${clock.now() + RETURN_MS} ${next}`);
    return redirect(reply, signIn.urlOf(state, query.again === '1'));
  });
  door('signed-in', async (request, reply) => {
    const { query, raw } = request;
    const opened = typeof query.state === 'string' ? sealer.open(RETURN, query.state) : undefined;
    const [until = '', next = home] = opened?.split(' ') ?? [];
    const found = typeof query.code === 'string' ? await signIn?.find(raw, reply.raw) : undefined;
    if (opened === undefined || Number(until) < clock.now() || !found)
      return sendNotice(reply, notices.signInOver(base));
    const { user, signedInAt } = found;
    const cookie = await sessions.begin(raw.headers, { userId: user.id, signedInAt });
    await record(request, rooms, { action: 'session.begin', actor: await rooms.asPerson(user) });
    return redirect(reply.header('set-cookie', cookie), rooms.baseUrl + parseNext(next, home));
  });
  door('link', async (request, reply) => {
    const { query, raw } = request;
    const isGood = typeof query.code === 'string' && (await sessions.takeLink(query.code));
    if (!isGood) {
      await rooms.takeStranger(raw.socket.remoteAddress ?? '', raw.headers['x-forwarded-for']?.toString());
      return sendNotice(reply, notices.linkOver(base));
    }
    const cookie = await sessions.begin(raw.headers, { userId: undefined, signedInAt: clock.now() });
    await record(request, rooms, { action: 'session.begin', actor: { kind: 'platform' } });
    return redirect(reply.header('set-cookie', cookie), rooms.baseUrl + home);
  });
  door('signed-out', async (_request, reply) => sendNotice(reply, notices.signedOut(base)));
}

function addPages(app: FastifyInstance, rooms: Rooms): void {
  const { folder, home, base } = rooms;
  const sendAsset = (request: FastifyRequest<{ Params: { '*': string } }>, reply: FastifyReply) =>
    reply
      .header('cross-origin-resource-policy', 'same-origin')
      .sendFile(request.params['*'], join(folder, 'assets'), { immutable: true, maxAge: '365d' });
  for (const place of ['/admin', '/mcp-admin']) {
    app.get(`${place}/assets/*`, sendAsset);
    app.get(`${place}/icon.svg`, (_request, reply) => reply.sendFile('icon.svg', folder, { maxAge: '1d' }));
  }
  const portals = home === '/admin' ? ['/admin', '/mcp-admin', '/me'] : ['/mcp-admin', '/me'];
  for (const place of portals)
    for (const url of [place, `${place}/*`])
      app.get(url, async (request, reply) => {
        const isApi = /^\/(?:mcp-)?admin\/api(?:[/?]|$)/.test(request.url);
        return isApi || !asksForPage(request.headers.accept) ? reply.callNotFound() : sendPage(request, reply, rooms);
      });
  for (const url of ['/portal', '/portal/*'])
    app.get(url, async (_request, reply) => reply.code(301).redirect(`${base}/mcp-admin`));
}

async function sendPage(request: FastifyRequest, reply: FastifyReply, rooms: Rooms): Promise<FastifyReply> {
  const { base, baseUrl, folder, home, openWebui, isBesideOpenWebui } = rooms;
  const elsewhere = ownName(request, baseUrl);
  if (elsewhere !== undefined) return redirect(reply, elsewhere);
  const caller = await rooms.findCaller(request.raw);
  if (!caller) {
    const isTheirs = openWebui !== undefined && isBesideOpenWebui;
    const next = encodeURIComponent(parseNext(request.url, home));
    return redirect(reply, isTheirs ? '/' : `${base}/mcp-admin/sign-in?next=${next}`, 302);
  }
  const isOwn = /^\/me(?:[/?]|$)/.test(request.url);
  if (!isOwn && !(await isAdministrator(caller, rooms))) return sendNotice(reply, notices.noAdministrator(base));
  // Of all the portal's addresses the one that is always ours.
  const page = await readPortalPage(folder, `${base}/mcp-admin/`);
  if (!page) return sendNotice(reply, notices.notBuilt());
  return reply.headers(page.headers).type('text/html; charset=utf-8').send(page.html);
}

/** On this machine the gateway has several names; cookies and origins know one. undefined: it is the right one. */
function ownName({ url, headers: { host = '' } }: FastifyRequest, baseUrl: string): string | undefined {
  const own = new URL(baseUrl);
  const isOther = host !== own.host && /^(?:127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host);
  return own.hostname === 'localhost' && isOther ? baseUrl + url : undefined;
}

async function record(
  { raw }: FastifyRequest,
  { audit, clock, readAddress }: Rooms,
  { action, actor }: { readonly action: string; readonly actor: Actor | SignedInPerson },
): Promise<void> {
  const by = { ...actor, from: originOf(raw, readAddress) };
  const about = { at: clock.now(), by, action, actor: actorName(actor) };
  await audit({ ...about, organization: undefined, target: undefined, outcome: 'done', isChange: true });
}

function redirect(reply: FastifyReply, url: string, status: 302 | 303 = 303): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).code(status).redirect(url);
}

const sendNotice = (reply: FastifyReply, notice: Notice): FastifyReply =>
  reply.code(notice.status).headers(pageHeaders).type('text/html; charset=utf-8').send(noticeHtml(notice));
