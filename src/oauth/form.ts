/** Queries and forms that are looked at, and changed, before oidc-provider reads them: it takes the request from the stream itself. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type Provider from 'oidc-provider';

const maxBytes = 56 * 1024;

export type Context = Parameters<Parameters<Provider['use']>[0]>[0];

/** undefined: no form, or more than anybody needs; the request is as it was, for the provider to refuse. */
export async function readForm(ctx: Context): Promise<URLSearchParams | undefined> {
  if (!ctx.is('application/x-www-form-urlencoded') || Number(ctx.get('content-length')) > maxBytes) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) return undefined;
    chunks.push(bytes);
  }
  const body = Buffer.concat(chunks);
  replaceBody(ctx, body);
  return new URLSearchParams(body.toString());
}

export function replaceForm(ctx: Context, form: URLSearchParams): void {
  replaceBody(ctx, Buffer.from(form.toString()));
}

/** The library takes the prefix of its URLs from the difference of the two spellings: both change alike. */
export function replaceQuery(ctx: Context, query: Context['query']): void {
  const { url = '' } = ctx.req;
  const originalUrl = originalUrlOf(ctx) ?? url;
  const prefix = originalUrl.slice(0, originalUrl.length - url.length);
  ctx.query = query;
  Object.assign(ctx.req, { originalUrl: prefix + (ctx.req.url ?? '') });
}

/** As `mount` left it there. */
const originalUrlOf = ({ req }: Context) => ('originalUrl' in req ? String(req.originalUrl) : undefined);

/** The same request once more, with a stream that was not read yet. */
function replaceBody(ctx: Context, body: Buffer): void {
  const { method, url, httpVersion, rawHeaders, headers } = ctx.request.req;
  headers['content-length'] = String(body.length);
  delete headers['transfer-encoding'];
  // Of no connection: what becomes of this stream must not reach the real one.
  const same = { method, url, httpVersion, rawHeaders, headers, originalUrl: originalUrlOf(ctx) };
  const replay = Object.assign(new IncomingMessage(new Socket()), same);
  replay.complete = true;
  replay.push(body);
  replay.push(null);
  ctx.req = replay;
}
