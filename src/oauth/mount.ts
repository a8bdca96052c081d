/**
 * The provider's endpoints on Fastify: Node's request and response go in unparsed. Host, scheme and path prefix are ours
 * whatever the client says, since the library builds URLs from them; what it leaves open at the edge is closed here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { asGatehouseError, type GatehouseError } from '#core/error.ts';
import { pageHeaders } from '#http/page.ts';
import { noticePage } from './interaction/notice-page.ts';
import { type Notice, notices } from './interaction/texts.ts';
import type { Strangers } from './strangers.ts';

export const paths = {
  authorization: '/authorize',
  token: '/token',
  registration: '/register',
  pushed_authorization_request: '/par',
  device_authorization: '/device/authorize',
  code_verification: '/device',
  revocation: '/revoke',
  introspection: '/introspect',
  jwks: '/jwks',
  end_session: '/session/end',
} as const;

type Callback = (req: IncomingMessage, res: ServerResponse) => unknown;

interface Endpoint {
  readonly url: string;
  readonly methods: readonly string[];
  /** For programs, browser-based ones too: read from any origin, without cookies. */
  readonly open?: true;
  /** Its parameters are in the body alone (RFC 6749 2.3.1): in a URL they end up in logs. */
  readonly noQuery?: true;
  /** Whoever asks leaves a row behind: counted by address. */
  readonly begins?: true;
  /** What may be kept, and for how long; default: nothing. */
  readonly cached?: true;
}

const post = { methods: ['POST'], open: true, noQuery: true } as const;
const published = { methods: ['GET', 'HEAD'], open: true, cached: true } as const;
const discovery = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'] as const;

const endpoints: readonly Endpoint[] = [
  { url: paths.authorization, methods: ['GET', 'POST'], begins: true },
  { url: `${paths.authorization}/:uid`, methods: ['GET'] },
  { url: paths.token, ...post },
  { url: paths.pushed_authorization_request, ...post, begins: true },
  { url: paths.device_authorization, ...post, begins: true },
  { url: paths.code_verification, methods: ['GET', 'POST'], begins: true },
  { url: `${paths.code_verification}/:uid`, methods: ['GET'] },
  { url: paths.revocation, ...post },
  { url: paths.introspection, ...post },
  { url: paths.jwks, ...published },
  { url: paths.end_session, methods: ['GET', 'POST'], begins: true },
  { url: `${paths.end_session}/confirm`, methods: ['POST'] },
  { url: `${paths.end_session}/success`, methods: ['GET'] },
  ...discovery.map((url) => ({ url, ...published })),
];

export interface MountDeps {
  readonly issuer: string;
  readonly strangers: Strangers;
  /** Of the provider in charge at the moment of the request. */
  readonly callback: () => Callback;
}

export function mount({ issuer, strangers, callback }: MountDeps): FastifyPluginAsync {
  const { host, protocol, pathname } = new URL(issuer);
  const prefix = pathname === '/' ? '' : pathname;

  async function handle(endpoint: Endpoint, { raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.hijack();
    if (answerAlone(endpoint, raw, reply.raw)) return;
    const refused = endpoint.begins && (await strangers.take(raw).catch(asGatehouseError));
    if (refused) return refuseStranger(reply.raw, refused, endpoint);
    const [path = '/', ...query] = (raw.url ?? '/').split('?');
    const known = discovery.find((url) => path.startsWith(url)) ?? (path.replace(/\/$/, '') || '/');
    raw.url = [known, ...query].join('?');
    // The library takes the prefix of its own URLs from the difference of the two.
    Object.assign(raw, { originalUrl: prefix + raw.url });
    raw.headers.host = host;
    raw.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    delete raw.headers['x-forwarded-host'];
    await callback()(raw, reply.raw);
  }

  return async (app: FastifyInstance) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _body, done) => done(null));
    for (const endpoint of endpoints) app.all(endpoint.url, (request, reply) => handle(endpoint, request, reply));
    // An issuer with a path has its documents at the origin (RFC 8414 3.1), and OpenID Connect's below the path as well.
    for (const url of prefix ? discovery : []) {
      app.all(url + prefix, (request, reply) => handle({ url, ...published }, request, reply));
    }
  };
}

/** True: answered. Else the headers that every answer of this endpoint has are set. */
function answerAlone(endpoint: Endpoint, req: IncomingMessage, res: ServerResponse): boolean {
  const { method = '' } = req;
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('Cache-Control', endpoint.cached ? 'public, max-age=300' : 'no-store');
  if (endpoint.open) {
    res.setHeader('Access-Control-Allow-Origin', '*');
    res.setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate, DPoP-Nonce, Retry-After');
    res.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (method === 'OPTIONS') return preflight(endpoint, res);
  }
  if (!endpoint.methods.includes(method)) {
    res.setHeader('Allow', endpoint.methods.join(', '));
    return refuse(res, 405, invalid('this endpoint does not have that method'));
  }
  if (endpoint.noQuery && req.url?.includes('?')) {
    return refuse(res, 400, invalid('parameters belong in the body, not in the URL'));
  }
  // PostgreSQL has no NUL, and nothing honest does.
  if (/%00/.test(req.url ?? '')) {
    if (endpoint.open) return refuse(res, 400, invalid('a parameter has a character that is none'));
    return sendPage(res, notices.invalid_request);
  }
  return false;
}

function refuseStranger(res: ServerResponse, error: GatehouseError, { open }: Endpoint): void {
  const { row, message, retryAfterSeconds = 1 } = error;
  res.setHeader('Retry-After', String(retryAfterSeconds));
  if (open) return void refuse(res, row.http, { error: 'temporarily_unavailable', error_description: message });
  sendPage(res, notices.too_many);
}

function sendPage(res: ServerResponse, notice: Notice): true {
  res.writeHead(notice.status, { ...pageHeaders, 'Content-Type': 'text/html; charset=utf-8' });
  res.end(noticePage(notice));
  return true;
}

function preflight({ methods }: Endpoint, res: ServerResponse): true {
  res.writeHead(204, {
    'Access-Control-Allow-Methods': methods.join(', '),
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, Accept, DPoP, MCP-Protocol-Version',
    'Access-Control-Max-Age': '3600',
  });
  res.end();
  return true;
}

const invalid = (error_description: string) => ({ error: 'invalid_request', error_description });

function refuse(res: ServerResponse, status: number, body: Readonly<Record<string, string>>): true {
  res.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  res.end(JSON.stringify(body));
  return true;
}
