/** What a client asks a person for, as the consent page shows it and as a consent is remembered by. */
import { createHash } from 'node:crypto';
import type { Client } from 'oidc-provider';
import { fingerprintOf } from '#oauth/client-fingerprint.ts';
import type { Consent } from '#records/consents.ts';

export const outOfBand = 'urn:ietf:wg:oauth:2.0:oob';

export type RedirectKind =
  | 'web'
  /** A program on the person's machine: whichever one listens there. */
  | 'loopback'
  /** Whichever program has registered the scheme on the person's machine. */
  | 'app'
  /** The code is shown to be copied. */
  | 'out-of-band'
  /** Another device, which shows a code of its own (RFC 8628). */
  | 'device';

export interface Asked {
  readonly client: Client;
  readonly redirectUri: string | undefined;
  readonly redirectKind: RedirectKind;
  /** Host and port as the person shall read it. */
  readonly redirectHost: string;
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
}

/** From the parameters of an authorization request that oidc-provider has checked. */
export function askedBy(client: Client, params: Readonly<Record<string, unknown>>): Asked {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const redirectUri = text(params.redirect_uri);
  const resources = [params.resource ?? []].flat().filter((value) => typeof value === 'string');
  const scopes = (text(params.scope) ?? '').split(' ').filter(Boolean);
  return { client, redirectUri, ...describeRedirect(redirectUri), resources, scopes };
}

export function describeRedirect(redirectUri: string | undefined): Pick<Asked, 'redirectKind' | 'redirectHost'> {
  if (redirectUri === undefined) return { redirectKind: 'device', redirectHost: 'device' };
  if (redirectUri === outOfBand) return { redirectKind: 'out-of-band', redirectHost: 'out-of-band' };
  const { protocol, hostname, host } = new URL(redirectUri);
  if (protocol !== 'https:' && protocol !== 'http:') return { redirectKind: 'app', redirectHost: protocol };
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
  return { redirectKind: loopback ? 'loopback' : 'web', redirectHost: host };
}

const digestOf = (parts: unknown) => createHash('sha256').update(JSON.stringify(parts)).digest('base64url');

/** Names exactly what was on the page: an approval is good for nothing else. */
export function approvalOf(asked: Asked): string {
  const { client, redirectUri, resources, scopes } = asked;
  return digestOf([client.clientId, redirectUri, [...resources].sort(), [...scopes].sort(), fingerprintOf(client)]);
}

/** undefined: never remembered, since another program could be at the other end next time. */
export function consentOf(asked: Asked, userId: string): Consent | undefined {
  if (asked.redirectKind !== 'web') return undefined;
  return {
    userId,
    clientId: asked.client.clientId,
    redirectHost: asked.redirectHost,
    resource: [...asked.resources].sort().join(' '),
    scopes: asked.scopes,
    fingerprint: fingerprintOf(asked.client),
  };
}

/** A stranger's words as one short line: no markup, no control or formatting characters, no look-alike forms. */
export function plainName(name: string | undefined): string | undefined {
  const text = (name ?? '')
    .slice(0, 4096)
    .normalize('NFKC')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .replace(/\p{M}{3,}/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
  const letters = Array.from(text);
  if (letters.length === 0) return undefined;
  return letters.length > 64 ? `${letters.slice(0, 63).join('')}…` : text;
}

/** Clients that publish their metadata under an address of their own are that address; others only say who they are. */
export function clientHost(clientId: string): string | undefined {
  return clientId.startsWith('https://') && URL.canParse(clientId) ? new URL(clientId).host : undefined;
}
