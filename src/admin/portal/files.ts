/** The built portal: one page for every address, with a nonce of its own each time, and files whose names are their content. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pageHeaders } from '#http/page.ts';

/** A clone builds into its portal's folder, the package has it beside its code. `root`: absolute. */
export const portalFolder = (root: string): string =>
  existsSync(join(root, 'src')) ? join(root, 'portal', 'dist') : join(root, 'dist', 'portal');

export interface PortalPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * undefined: it isn't built. `base`: what stands in front of its files in the browser, such as `/mcp-admin/`. Nothing runs and
 * nothing is painted but what comes from here (SECURITY H1); script that builds markup from text does not work at all.
 */
export async function readPortalPage(folder: string, base: string): Promise<PortalPage | undefined> {
  const text = await readFile(join(folder, 'index.html'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const nonce = randomBytes(16).toString('base64url');
  const html = text
    .replaceAll('__CSP_NONCE__', nonce)
    .replace(/(\s(?:src|href)=")(?:\.\/|\/(?:mcp-)?admin\/)/g, `$1${base}`);
  return { html, headers: { ...pageHeaders, 'Content-Security-Policy': portalPolicy(nonce) } };
}

const portalPolicy = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    'trusted-types default',
  ].join('; ');
