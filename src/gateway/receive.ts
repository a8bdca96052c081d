/** Room 1: is this a request that we read at all? Everything here is decided from the head; nothing of the body is read. */
import { GatehouseError } from '#core/error.ts';
import type { AddressReader } from '#http/client-address.ts';
import { allowOrigin } from '#http/cors.ts';
import { readHeaders } from '#http/headers.ts';
import type { Call, Received } from './call.ts';

export interface ReceiveOptions {
  readonly maxTargetBytes: number;
  readonly readAddress: AddressReader;
  /** Lower-case `host[:port]` values that are ours; `'*'`: any (a proxy in front checks). */
  readonly hosts: Pick<ReadonlySet<string>, 'has'>;
  /** Origins that browsers may call from; ours is among them. */
  readonly origins: ReadonlySet<string>;
  /** The outermost proxy says that the request came in the clear although this gateway's address is https. */
  readonly isInsecure: (socketAddress: string, forwardedProto: string | undefined) => boolean;
  /** On a loopback listener every loopback origin is the user's own machine (local inspectors). */
  readonly loopback: boolean;
}

const loopbackOrigin = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;
const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;
const json = /^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/i;

/** Of this machine, as no page from elsewhere can have in its address. */
export const isLocalName = (host: string): boolean => loopbackHost.test(host);

/** Throws GatehouseError `bad_request`, `uri_too_long`, `invalid_host`, `invalid_origin`, `https_required`, `method_not_allowed`, `media_type`. */
export function receive(call: Call, options: ReceiveOptions): Received {
  const { req } = call;
  const target = req.url ?? '';
  if (target.length > options.maxTargetBytes) throw new GatehouseError('uri_too_long');
  call.address = options.readAddress(req.socket.remoteAddress ?? '', undefined);
  const headers = readHeaders(req.rawHeaders, req.httpVersion);
  call.headers = headers;
  call.address = options.readAddress(req.socket.remoteAddress ?? '', headers.forwardedFor);
  checkHost(headers.host, options);
  // No redirect: whatever credential it came with was sent in the clear, and the client must hear of it.
  if (options.isInsecure(req.socket.remoteAddress ?? '', headers.forwardedProto))
    throw new GatehouseError('https_required');
  if (headers.origin !== undefined) {
    checkOrigin(headers.origin, options);
    allowOrigin(call.res, options.origins.has('*') ? '*' : headers.origin);
  }
  if (req.method === 'POST') {
    if (headers.contentType === undefined || !json.test(headers.contentType)) throw new GatehouseError('media_type');
    if (headers.contentEncoding !== undefined && headers.contentEncoding !== 'identity') {
      throw new GatehouseError('media_type', { message: 'Content-Encoding is not accepted: send the body as it is' });
    }
  } else if (req.method === 'GET' || req.method === 'DELETE' || req.method === 'HEAD') {
    if (headers.hasBody)
      throw new GatehouseError('bad_request', { message: `A ${req.method} request must not have a body` });
  } else throw new GatehouseError('method_not_allowed');
  return call as Received;
}

/** A page from elsewhere can't name this machine in its address: local names are no way in for DNS rebinding. */
function checkHost(host: string | undefined, { hosts }: ReceiveOptions): void {
  if (host === undefined) throw new GatehouseError('bad_request', { message: 'The Host header is missing' });
  const name = host.toLowerCase();
  if (hosts.has(name) || hosts.has('*') || isLocalName(name)) return;
  throw new GatehouseError('invalid_host');
}

export function checkOrigin(origin: string, { origins, loopback }: Pick<ReceiveOptions, 'origins' | 'loopback'>): void {
  // `*`: any page, but none that hides where it is from.
  if (origins.has(origin) || (origins.has('*') && origin !== 'null') || (loopback && loopbackOrigin.test(origin)))
    return;
  throw new GatehouseError('invalid_origin');
}
