/** First path segments that are ours: never an organization. The second list: never a server or collection. Creating one is refused. */
export const reservedSegments: ReadonlySet<string> = new Set([
  ...[
    'mcp',
    'api',
    'admin',
    'mcp-admin',
    'me',
    'meta',
    'sse',
    'messages',
    'scim',
    'portal',
    'welcome',
    'health',
    'ready',
  ],
  ...[
    'metrics',
    'gateway',
    'servers',
    'tools',
    'tenants',
    'refresh',
    'debug',
    'docs',
    'assets',
    'static',
    'ws',
    'authorize',
    'token',
  ],
  ...[
    'register',
    'par',
    'device',
    'callback',
    'interaction',
    'connect',
    'revoke',
    'introspect',
    'jwks',
    'verify',
    'success',
  ],
  ...[
    'error',
    'oauth',
    'oauth2',
    'auth',
    'login',
    'logout',
    'consent',
    'openapi',
    'favicon',
    'robots',
    'well-known',
    'keys',
    'v0',
    'v0.1',
  ],
]);

export const reservedNames: ReadonlySet<string> = new Set([
  'ws',
  'sse',
  'messages',
  'meta',
  'servers',
  'tools',
  'openapi',
  'openapi.json',
  'well-known',
  'server-card',
  'admin',
  'auth',
  'keys',
]);

/**
 * Header names that a credential never goes upstream under: they frame the message, are the protocol's, or are how a
 * trusted server hears from the gateway who calls (DESIGN ruling 7).
 */
const reservedHeader =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|accept.*|user-agent|traceparent|forwarded|via|last-event-id|mcp-.*|x-user-.*|x-gateway-.*|x-forwarded-.*|x-real-ip|x-organization-id|x-request-id)$/i;

export const isReservedHeader = (name: string): boolean => reservedHeader.test(name);
