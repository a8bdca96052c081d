/**
 * Everything a browser sees while somebody signs in. In this order, and no other: the consent page, the person's yes, the
 * identity provider, a code. Until the yes nobody else is called and nothing is set that would let a stranger's link finish
 * what he began (SECURITY A1, A2, A19).
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { errors } from 'oidc-provider';
import { z } from 'zod';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { formHeaders, pageHeaders } from '#http/page.ts';
import { approvalOf } from './asked.ts';
import { consentPage } from './consent-page.ts';
import { type FormGuard, openFormGuard } from './form-guard.ts';
import { type Interactions, type InteractionsDeps, type Loaded, openInteractions } from './interactions.ts';
import { codePage, donePage, noticePage, onwardPage } from './notice-page.ts';
import { onwardLink, openOnward } from './onward.ts';
import { isNoticeKey, type NoticeKey, notices, type Problem, problems } from './texts.ts';

export interface InteractionPluginDeps extends InteractionsDeps {
  /** 32 bytes of their own. */
  readonly formKey: Uint8Array;
  readonly readAddress: (socketAddress: string, forwardedFor: string | undefined) => string;
}

const field = z.string().max(512).optional();
const formFields = z.object({
  csrf: field,
  /** What the page said when it was sent. */
  shown: field,
  do: z.enum(['allow', 'deny', 'sign-out']).optional(),
  with: field,
  username: field,
  password: field,
});
type Form = z.output<typeof formFields>;

type Uid = { readonly Params: { readonly uid: string }; readonly Querystring: Readonly<Record<string, unknown>> };

export function interactionPlugin(deps: InteractionPluginDeps): FastifyPluginAsync {
  return async (app) => {
    const interactions = openInteractions(deps);
    const guard = openFormGuard(deps.formKey, deps.issuer);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 16_384 },
      (_request, body, done) => done(null, String(body)),
    );
    app.setErrorHandler((thrown, _request, reply) => sendError(reply, thrown, deps));
    addConsent(app, { ...deps, interactions, guard });
    addReturn(app, deps, interactions);
    addEnds(app, interactions);
  };
}

interface ConsentDeps extends InteractionPluginDeps {
  readonly interactions: Interactions;
  readonly guard: FormGuard;
}

function addConsent(app: FastifyInstance, deps: ConsentDeps): void {
  const { interactions, issuer, log } = deps;
  app.get<Uid>('/interaction/:uid', async (request, reply) => {
    const loaded = await interactions.load(request.params.uid, request.raw, reply.raw);
    const onward = await interactions.withoutAsking(loaded);
    return onward === undefined ? sendConsent(request, reply, { ...deps, loaded }) : redirect(reply, onward);
  });
  app.post<Uid>('/interaction/:uid', async (request, reply) => {
    const { uid } = request.params;
    const form = parseForm(request.body);
    if (!deps.guard.isGood(request.headers, uid, form.csrf)) {
      log.warn({ event: 'form_refused', site: request.headers['sec-fetch-site'] }, 'sign-in: a form was refused');
      return sendNotice(reply, 'refused_form');
    }
    await deps.server.strangers.take(request.raw);
    const loaded = await interactions.load(uid, request.raw, reply.raw);
    const place = `${issuer}/interaction/${uid}`;
    // The client says something else of itself since: to be read first.
    if (form.do !== 'deny' && form.shown !== approvalOf(loaded.asked)) return redirect(reply, place);
    const answer = await decide(request, reply, { ...deps, loaded, form });
    if (answer.cookie !== undefined) reply.header('set-cookie', answer.cookie);
    if (answer.problem) return redirect(reply, `${place}?problem=${answer.problem}`);
    if (answer.onward === undefined) return redirect(reply, place);
    return redirect(reply, onwardLink(deps, uid, answer.onward));
  });
  app.get<Uid>('/interaction/:uid/next', async (request, reply) => {
    const url = openOnward(deps.sealer, request.params.uid, request.query.to);
    return url === undefined ? sendNotice(reply, 'invalid_request') : send(reply, 200, onwardPage(url));
  });
}

interface Answer {
  /** Undefined: back to the page. */
  readonly onward?: string;
  readonly problem?: Problem;
  readonly cookie?: string;
}

async function decide(
  request: FastifyRequest<Uid>,
  reply: FastifyReply,
  {
    loaded,
    form,
    interactions,
    providers,
    readAddress,
    clock,
  }: ConsentDeps & { readonly loaded: Loaded; readonly form: Form },
): Promise<Answer> {
  if (form.do === 'deny') return { onward: await interactions.deny(loaded, 'access_denied') };
  if (form.do === 'sign-out') {
    await interactions.signOut(loaded, request.raw, reply.raw);
    return {};
  }
  if (form.do === 'allow') {
    const onward = await interactions.allow(loaded);
    return onward === undefined ? {} : { onward };
  }
  const provider = providers.find(({ name }) => name === form.with);
  if (!provider?.signIn) return {};
  try {
    if (provider.signIn.method === 'redirect') return await interactions.start(loaded, provider, provider.signIn);
    const address = readAddress(request.raw.socket.remoteAddress ?? '', request.headers['x-forwarded-for']?.toString());
    const sinceMs = clock.now();
    const person = await provider.signIn.check(form.username ?? '', form.password ?? '', address);
    if (!person) {
      await interactions.refuse(form.username ?? '', provider.name, request.raw);
      return { problem: 'password' };
    }
    return { onward: await interactions.enter(loaded, { provider, person, sinceMs }, request.raw, reply.raw) };
  } catch (thrown) {
    const { code } = asGatehouseError(thrown);
    if (code === 'rate_limited') return { problem: 'attempts' };
    if (code === 'identity_unavailable') return { problem: 'unavailable' };
    if (code === 'sign_in_denied') return { onward: await interactions.deny(loaded, 'access_denied') };
    throw thrown;
  }
}

function addReturn(app: FastifyInstance, { issuer }: InteractionPluginDeps, interactions: Interactions): void {
  app.get('/callback', async (request, reply) => {
    const url = new URL(`${issuer}/callback`);
    url.search = new URL(request.raw.url ?? '', 'http://localhost').search;
    const { cookie, outcome } = await interactions.finish(url, request.raw, reply.raw);
    if (cookie !== undefined) reply.header('set-cookie', cookie);
    return redirect(reply, 'onward' in outcome ? outcome.onward : `${issuer}/error?error=${outcome.error}`);
  });
}

function addEnds(app: FastifyInstance, interactions: Interactions): void {
  app.get<Uid>('/error', async (request, reply) => {
    const key = request.query.error;
    return sendNotice(reply, isNoticeKey(key) ? key : 'invalid_request');
  });
  app.get<Uid>('/success', async (request, reply) => {
    const { code } = request.query;
    const known = typeof code === 'string' && (await interactions.isCode(code)) ? code : undefined;
    if (known !== undefined) return send(reply, 200, codePage(known));
    return send(reply, 200, donePage('You are signed in', 'Go back to your application. You may close this page.'));
  });
}

async function sendConsent(
  request: FastifyRequest<Uid>,
  reply: FastifyReply,
  { loaded, interactions, guard, issuer, rules, providers }: ConsentDeps & { readonly loaded: Loaded },
): Promise<FastifyReply> {
  const { uid } = loaded.interaction;
  const { csrf, cookie } = guard.issue(request.headers, uid);
  if (cookie !== undefined) reply.header('set-cookie', cookie);
  const { problem } = request.query;
  const html = consentPage({
    asked: loaded.asked,
    rules,
    action: `${new URL(issuer).pathname.replace(/\/$/, '')}/interaction/${uid}`,
    csrf,
    person: await interactions.personOf(loaded),
    choices: providers.flatMap(({ name, title, signIn }) => (signIn ? { name, title, method: signIn.method } : [])),
    problem: isProblem(problem) ? problem : undefined,
  });
  return reply.headers(formHeaders).type('text/html; charset=utf-8').send(html);
}

const isProblem = (key: unknown): key is Problem => typeof key === 'string' && Object.hasOwn(problems, key);

/** Throws `bad_request` for a field that comes twice. */
function parseForm(body: unknown): Form {
  const fields = new URLSearchParams(typeof body === 'string' ? body : '');
  const entries = [...fields];
  const parsed = formFields.safeParse(Object.fromEntries(entries));
  if (!parsed.success || entries.length !== new Set(fields.keys()).size) throw new GatehouseError('bad_request');
  return parsed.data;
}

function redirect(reply: FastifyReply, url: string): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).code(303).redirect(url);
}

function send(reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply.code(status).headers(pageHeaders).type('text/html; charset=utf-8').send(html);
}

function sendNotice(reply: FastifyReply, key: NoticeKey): FastifyReply {
  return send(reply, notices[key].status, noticePage(notices[key]));
}

function sendError(reply: FastifyReply, thrown: unknown, { log }: InteractionPluginDeps): FastifyReply {
  if (thrown instanceof errors.SessionNotFound) {
    const other = /^session (?:not found|principal changed)/.test(thrown.error_description ?? '');
    return sendNotice(reply, other ? 'other_session' : 'expired');
  }
  if (thrown instanceof errors.InvalidClient) return sendNotice(reply, 'invalid_client');
  const error = asGatehouseError(thrown);
  if (error.code === 'rate_limited') {
    return sendNotice(reply.header('retry-after', String(error.retryAfterSeconds ?? 1)), 'too_many');
  }
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : error.row.http;
  if (status >= 400 && status < 500) return sendNotice(reply, 'invalid_request');
  log.error({ err: error.cause ?? error }, 'sign-in: a page failed');
  const away = error.code === 'storage_unavailable' || error.code === 'identity_unavailable';
  return sendNotice(reply, away ? 'temporarily_unavailable' : 'server_error');
}
