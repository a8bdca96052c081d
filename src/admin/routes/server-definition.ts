/** A server's definition, as whoever edits it may see it: nothing that is sealed, and no secret that an address has in it. */
import type { ServerTransport } from '#core/transport.ts';
import type { Server } from '#records/servers.ts';

interface Definition {
  readonly managedBy: string;
  readonly keyName: string;
  readonly totalTimeoutMs: number | null;
  readonly transport: Record<string, unknown>;
  readonly auth: Record<string, unknown> | null;
}

export function definitionOf({ transport, auth, managedBy, keyName, totalTimeoutMs }: Server): Definition {
  const { sealedSecret, ...shownAuth } = auth ?? {};
  return {
    ...{ managedBy, keyName, totalTimeoutMs: totalTimeoutMs ?? null },
    transport: shownTransport(transport, managedBy === 'api'),
    auth: auth ? { ...shownAuth, hasSecret: sealedSecret !== undefined } : null,
  };
}

/** The file's variables may come from the environment, where secrets are. */
function shownTransport(transport: ServerTransport, isApi: boolean): Record<string, unknown> {
  const { env, url, urls, tls, ...rest }: Readonly<Record<string, unknown>> = { ...transport };
  const names = typeof env === 'object' && env !== null ? Object.entries(env) : undefined;
  return {
    ...rest,
    ...(typeof url === 'string' && { url: withoutUser(url) }),
    ...(Array.isArray(urls) && { urls: urls.map((each) => withoutUser(String(each))) }),
    ...(tls !== undefined && { tls }),
    ...(names && { env: Object.fromEntries(names.map(([name, value]) => [name, isApi ? value : null])) }),
  };
}

const withoutUser = (url: string): string => url.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1***@');
