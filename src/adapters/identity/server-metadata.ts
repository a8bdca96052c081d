import { z } from 'zod';
import { discard, readJson } from '#http/egress-body.ts';
import type { IdentityDeps } from './identity.ts';
import { RemoteDocument } from './remote-document.ts';

/** SECURITY 3.3 and 3.7. */
const maxBytes = 64 * 1024;
const refreshMs = 3_600_000;
const staleMs = 24 * 3_600_000;
const timeoutMs = 3000;

const metadataSchema = z.looseObject({ issuer: z.string() });

export type ServerMetadata = Readonly<z.output<typeof metadataSchema>>;

export interface ServerMetadataOptions extends IdentityDeps {
  /** What the document may name as `issuer`: anything else is somebody else's document (RFC 8414 3.3). */
  readonly issuers: readonly string[];
  /** Where it may be, in order; 404 leads to the next. */
  readonly urls: readonly string[];
}

export function openServerMetadata(options: ServerMetadataOptions): RemoteDocument<ServerMetadata> {
  return new RemoteDocument({
    what: `metadata of ${options.issuers[0]}`,
    load: () => fetchMetadata(options),
    refreshMs: () => refreshMs,
    staleMs: () => staleMs,
    retryMs: { held: 60_000, empty: 10_000 },
    clock: options.clock,
    log: options.log,
  });
}

async function fetchMetadata({ fetch, urls, issuers }: ServerMetadataOptions): Promise<ServerMetadata> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (const url of urls) {
    const response = await fetch(url, { headers: { accept: 'application/json' }, redirect: 'manual', signal });
    if (response.status === 200) {
      const metadata = metadataSchema.parse(await readJson(response, maxBytes));
      if (!issuers.includes(metadata.issuer)) throw new Error(`${url} describes another issuer: ${metadata.issuer}`);
      return metadata;
    }
    await discard(response);
    if (response.status !== 404) throw new Error(`${url} answered ${response.status}`);
  }
  throw new Error(`no metadata at ${urls.join(' or ')}`);
}
