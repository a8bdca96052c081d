/** Which of the alternatives that an operation allows its credential can meet, and where it then goes. */
import { isJsonObject, type Json, type JsonObject, objectIn, ownIn, stringIn } from '#core/json.ts';
import type { Auth } from './plan.ts';
import { resolve } from './references.ts';

export const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Header fields that no document may have filled in: framing, routing, and who is calling. */
const reserved: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'keep-alive', 'expect'],
  ...['content-type', 'content-encoding', 'accept', 'accept-encoding', 'forwarded', 'via', 'origin', 'referer'],
  ...['x-gateway-validated', 'x-organization-id', 'x-request-id', 'x-real-ip', 'edge-secret', 'x-edge-secret'],
  ...['traceparent', 'tracestate', 'baggage', 'user-agent', 'x-http-method-override', 'x-method-override'],
]);

export const isReservedHeader = (name: string): boolean =>
  reserved.has(name.toLowerCase()) || /^(x-forwarded-|x-user-|proxy-|sec-|mcp-|x-original-|x-rewrite-)/i.test(name);

/** What only the credential may fill in. */
export const isCredentialHeader = (name: string): boolean => /^(authorization|cookie2?|set-cookie)$/i.test(name);

export function schemesOf(document: JsonObject): ReadonlyMap<string, Auth> {
  const schemes = objectIn(objectIn(document, 'components'), 'securitySchemes') ?? {};
  const known = Object.entries(schemes).flatMap(([name, value]): [string, Auth][] => {
    const auth = authOf(resolve(document, value)?.value);
    return auth ? [[name, auth]] : [];
  });
  return new Map(known);
}

function authOf(scheme: JsonObject | undefined): Auth | undefined {
  const type = stringIn(scheme, 'type');
  if (type === 'oauth2' || type === 'openIdConnect') return { kind: 'bearer' };
  if (type === 'http') {
    const name = stringIn(scheme, 'scheme')?.toLowerCase();
    return name === 'bearer' || name === 'basic' ? { kind: name } : undefined;
  }
  if (type !== 'apiKey') return undefined;
  const name = stringIn(scheme, 'name') ?? '';
  const place = stringIn(scheme, 'in');
  if (place === 'query' && name !== '') return { kind: 'key', in: place, name };
  if (!headerName.test(name)) return undefined;
  if (place === 'header' && !isReservedHeader(name)) return { kind: 'key', in: place, name: name.toLowerCase() };
  return place === 'cookie' ? { kind: 'key', in: place, name } : undefined;
}

/**
 * Alternatives are tried in the document's order, one scheme before several at once (a binding has one credential). A
 * document that says nothing of it gets the credential where the binding says; an operation that needs none gets none.
 */
export function chooseAuth(document: JsonObject, operation: JsonObject): Auth {
  const schemes = schemesOf(document);
  const wanted: Json | undefined = operation.security ?? document.security;
  const [first] = schemes.values();
  if (!Array.isArray(wanted)) return first ?? { kind: 'binding' };
  const alternatives = wanted.filter(isJsonObject).map((one) => Object.keys(one));
  if (alternatives.length === 0) return { kind: 'none' };
  const known = alternatives.toSorted((a, b) => Math.min(a.length, 2) - Math.min(b.length, 2));
  for (const names of known)
    for (const name of names) {
      const auth = schemes.get(name);
      if (auth) return auth;
    }
  // Optional, and nothing else that is known.
  return alternatives.some((names) => names.length === 0) ? { kind: 'none' } : { kind: 'binding' };
}

/** For people: `header X-API-Key`, `bearer`. */
export function describeSchemes(document: JsonObject): readonly { readonly name: string; readonly kind: string }[] {
  const schemes = objectIn(objectIn(document, 'components'), 'securitySchemes') ?? {};
  const known = schemesOf(document);
  return Object.keys(schemes).map((name) => ({ name, kind: describe(ownIn(Object.fromEntries(known), name)) }));
}

function describe(auth: Auth | undefined): string {
  if (!auth) return 'not supported';
  return auth.kind === 'key' ? `${auth.in} ${auth.name}` : auth.kind;
}
