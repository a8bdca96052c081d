/** Where a credential goes: after everything of the caller's, so that nothing takes its place. */
import { isJsonObject, type Json, ownIn } from '#core/json.ts';
import { redactText, Secret } from '#core/secret.ts';
import { short } from './document.ts';
import type { Auth, Scheme, SchemePlace } from './plan.ts';
import { CredentialProblem } from './problem.ts';
import { describe } from './security.ts';
import { encodeText } from './styles.ts';

export interface Outgoing {
  readonly headers: Record<string, string>;
  readonly query: string[];
  readonly cookies: string[];
}

export interface Applying {
  readonly auth: Auth;
  readonly credential: Secret | undefined;
  /** Where the binding says that it goes. */
  readonly bindingHeader: readonly [name: string, value: string] | undefined;
}

/** Throws CredentialProblem where an operation wants several and the one that there is doesn't hold them. */
export function addCredential({ auth, credential, bindingHeader }: Applying, out: Outgoing): void {
  if (!credential || auth.kind === 'none') return;
  if (auth.kind === 'binding') {
    const [name, value] = bindingHeader ?? ['authorization', `Bearer ${credential.reveal()}`];
    out.headers[name] = value;
    return;
  }
  const held = heldBy(credential);
  for (const scheme of auth.schemes) put(scheme.place, secretFor(scheme, { auth, credential, held }), out);
}

type Held = Readonly<Record<string, string>>;

interface Choosing {
  readonly auth: Extract<Auth, { kind: 'schemes' }>;
  readonly credential: Secret;
  readonly held: Held | undefined;
}

function secretFor({ name }: Scheme, { auth: { schemes }, credential, held }: Choosing): string {
  const own = held && ownIn(held, name);
  if (own !== undefined) return own;
  if (schemes.length === 1) return credential.reveal();
  const example = `{${schemes.map((one) => `${JSON.stringify(short(one.name))}: "…"`).join(', ')}}`;
  throw new CredentialProblem(
    `The API wants several credentials at once: ${describeSchemesOf(schemes)}. The credential of this server does not hold them all: an administrator stores ${example} instead.`,
  );
}

const describeSchemesOf = (schemes: readonly Scheme[]): string =>
  schemes.map(({ name, place }) => `"${short(name)}" (${short(describe(place))})`).join(', ');

/** Which credential an operation wants, for people; undefined: none. */
export function describeAuth(auth: Auth): string | undefined {
  if (auth.kind === 'none') return undefined;
  return auth.kind === 'binding' ? 'the one of its binding' : describeSchemesOf(auth.schemes);
}

/** A credential that is a JSON object of texts: one for each scheme, by the document's names. */
function heldBy(credential: Secret): Held | undefined {
  const text = credential.reveal();
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: Json = JSON.parse(text);
    if (!isJsonObject(value)) return undefined;
    const entries = Object.entries(value).filter((one): one is [string, string] => typeof one[1] === 'string');
    return Object.fromEntries(entries);
  } catch {
    return undefined;
  }
}

function put(place: SchemePlace, secret: string, { headers, query, cookies }: Outgoing): void {
  if (place.kind === 'basic') headers.authorization = `Basic ${basicOf(secret)}`;
  else if (place.kind !== 'key') headers.authorization = `Bearer ${secret}`;
  else if (place.in === 'header') headers[place.name] = secret;
  else if (place.in === 'query') query.push(`${encodeText(place.name)}=${encodeText(secret)}`);
  else cookies.push(`${place.name}=${encodeText(secret)}`);
}

/** RFC 7617: `user:password`; a lone key is the user, as many APIs have it. */
function basicOf(secret: string): string {
  return Buffer.from(secret.includes(':') ? secret : `${secret}:`).toString('base64');
}

/** Without the credential, its parts and what was made of them. */
export function withoutCredential(text: string, credential: Secret): string {
  const parts = Object.values(heldBy(credential) ?? {});
  return [credential, ...parts.map((part) => new Secret(part))].reduce(redactText, text);
}
