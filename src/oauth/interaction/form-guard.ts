/** What a form must bring to be ours: a token of this interaction and this browser, and a browser that says it comes from here. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { readCookie, writeCookie } from '#http/cookies.ts';

export interface FormGuard {
  /** Of the page's form; `cookie` is to be set where the browser has none yet. */
  issue(headers: IncomingHttpHeaders, interaction: string): { readonly csrf: string; readonly cookie?: string };
  isGood(headers: IncomingHttpHeaders, interaction: string, csrf: string | undefined): boolean;
}

/** `key`: 32 bytes of their own. */
export function openFormGuard(key: Uint8Array, issuer: string): FormGuard {
  const secure = issuer.startsWith('https:');
  const name = secure ? '__Host-gw_b' : 'gw_b';
  const tokenOf = (browser: string, interaction: string) =>
    createHmac('sha256', key).update(`${browser} ${interaction}`).digest();
  return {
    issue(headers, interaction) {
      const known = readCookie(headers.cookie, name);
      const browser = known ?? randomBytes(32).toString('base64url');
      const csrf = tokenOf(browser, interaction).toString('base64url');
      return known === undefined ? { csrf, cookie: writeCookie(name, browser, { secure }) } : { csrf };
    },
    isGood(headers, interaction, csrf) {
      const browser = readCookie(headers.cookie, name);
      if (browser === undefined || csrf === undefined || !isFromHere(headers, issuer)) return false;
      const given = Buffer.from(csrf, 'base64url');
      const expected = tokenOf(browser, interaction);
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

/** False where the browser says that another site sent this (Fetch metadata, Origin). */
export function isFromHere(headers: IncomingHttpHeaders, issuer: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  return headers.origin === undefined || headers.origin === new URL(issuer).origin;
}
