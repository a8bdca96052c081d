/**
 * The provider's endpoints on Fastify: Node's request and response go in unparsed. Host, scheme and path prefix are ours
 * whatever the client says, since the library builds URLs from them; what it leaves open at the edge is closed here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';

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
  /** What may be kept, and for how long; default: nothing. */
  readonly cached?: true;
}

const post = { methods: ['POST'], open: true, noQuery: true } as const;
const published = { methods: ['GET', 'HEAD'], open: true, cached: true } as const;
const discovery = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'] as const;

const endpoints: readonly Endpoint[] = [
  { url: paths.authorization, methods: ['GET', 'POST'] },
  { url: `${paths.authorization}/:uid`, methods: ['GET'] },
  { url: paths.token, ...post },
  { url: paths.pushed_authorization_request, ...post },
  { url: paths.device_authorization, ...post },
  { url: paths.code_verification, methods: ['GET', 'POST'] },
  { url: `${paths.code_verification}/:uid`, methods: ['GET'] },
  { url: paths.revocation, ...post },
  { url: paths.introspection, ...post },
  { url: paths.jwks, ...published },
  { url: paths.end_session, methods: ['GET', 'POST'] },
  { url: `${paths.end_session}/confirm`, methods: ['POST'] },
  { url: `${paths.end_session}/success`, methods: ['GET'] },
  ...discovery.map((url) => ({ url, ...published })),
];

/** `callback`: of the provider in charge at the moment of the request. */
export function mount(issuer: string, callback: () => Callback): FastifyPluginAsync {
  const { host, protocol, pathname } = new URL(issuer);
  const prefix = pathname === '/' ? '' : pathname;

  function handle(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = request;
    reply.hijack();
    if (answerAlone(endpoint, raw, reply.raw)) return;
    const [path = '/', ...query] = (raw.url ?? '/').split('?');
    const known = discovery.find((url) => path.startsWith(url)) ?? (path.replace(/\/$/, '') || '/');
    raw.url = [known, ...query].join('?');
    // The library takes the prefix of its own URLs from the difference of the two.
    Object.assign(raw, { originalUrl: prefix + raw.url });
    raw.headers.host = host;
    raw.headers['x-forwarded-proto'] = protocol.slice(0, -1);
    delete raw.headers['x-forwarded-host'];
    void callback()(raw, reply.raw);
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
    return refuse(res, 405, 'this endpoint does not have that method');
  }
  if (endpoint.noQuery && req.url?.includes('?')) {
    return refuse(res, 400, 'parameters belong in the body, not in the URL');
  }
  return false;
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

function refuse(res: ServerResponse, status: number, description: string): true {
  res.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  res.end(JSON.stringify({ error: 'invalid_request', error_description: description }));
  return true;
}
