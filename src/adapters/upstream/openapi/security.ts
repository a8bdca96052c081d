/** Which of the alternatives that an operation allows its credential can meet, and where it then goes. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { short } from './document.ts';
import type { Auth, Scheme, SchemePlace } from './plan.ts';
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

export function schemesOf(document: JsonObject): ReadonlyMap<string, SchemePlace> {
  const schemes = objectIn(objectIn(document, 'components'), 'securitySchemes') ?? {};
  const known = Object.entries(schemes).flatMap(([name, value]): [string, SchemePlace][] => {
    const place = placeOf(resolve(document, value)?.value);
    return place ? [[name, place]] : [];
  });
  return new Map(known);
}

function placeOf(scheme: JsonObject | undefined): SchemePlace | undefined {
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
 * Alternatives are tried in the document's order, one scheme before several at once. A document that says nothing of it
 * gets the credential where the binding says; an operation that needs none gets none. Of several schemes at once all that
 * are known are met.
 */
export function chooseAuth(
  document: JsonObject,
  schemes: ReadonlyMap<string, SchemePlace>,
  operation: JsonObject,
): Auth {
  const wanted: Json | undefined = operation.security ?? document.security;
  const [first] = schemes;
  if (!Array.isArray(wanted)) return first ? authBy([first[0]], schemes) : { kind: 'binding' };
  const alternatives = wanted.filter(isJsonObject).map((one) => Object.keys(one));
  if (alternatives.length === 0) return { kind: 'none' };
  const inOrder = alternatives.toSorted((a, b) => Math.min(a.length, 2) - Math.min(b.length, 2));
  const known = inOrder.find((names) => names.some((name) => schemes.has(name)));
  if (known) return authBy(known, schemes);
  // Optional, and nothing else that is known.
  return alternatives.some((names) => names.length === 0) ? { kind: 'none' } : { kind: 'binding' };
}

/** Two schemes that go to the same place (OAuth and a bearer token) are one. */
function authBy(names: readonly string[], known: ReadonlyMap<string, SchemePlace>): Auth {
  const byPlace = new Map<string, Scheme>();
  for (const name of names.slice(0, MAX_SCHEMES)) {
    const place = known.get(name);
    const key = place?.kind === 'key' ? `${place.in} ${place.name}` : 'header authorization';
    if (place && !byPlace.has(key)) byPlace.set(key, { name, place });
  }
  return { kind: 'schemes', schemes: [...byPlace.values()] };
}

/** More at once is nobody's API. */
const MAX_SCHEMES = 8;
const MAX_DESCRIBED = 100;

/** For people: `header X-API-Key`, `bearer`. */
export function describeSchemes(document: JsonObject): readonly { readonly name: string; readonly kind: string }[] {
  const schemes = objectIn(objectIn(document, 'components'), 'securitySchemes') ?? {};
  const known = schemesOf(document);
  const names = Object.keys(schemes).slice(0, MAX_DESCRIBED);
  return names.map((name) => ({ name: short(name), kind: describe(known.get(name)) }));
}

export function describe(place: SchemePlace | undefined): string {
  if (!place) return 'not supported';
  return place.kind === 'key' ? `${place.in} ${place.name}` : place.kind;
}
