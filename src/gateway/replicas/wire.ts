/**
 * What goes over the wire between replicas. The head of a request is signed (HMAC-SHA256 over method, path, target,
 * time, nonce, and digest and length of the body), so a stranger is refused before one byte of a body is read. Bodies
 * are sealed (AES-256-GCM) by keys of that one request: people's data may cross a plain network, an answer fits one
 * question only, and its lines come in their order or not at all.
 */
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { deriveKey } from '#core/derive.ts';
import { asGatehouseError, type ErrorCode, errorTable, GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import { openSealer, type Sealer } from '#core/sealer.ts';

export const HOP_PATH = '/hop/1';
/** Of what is sealed, in either direction: a request, or one line of an answer. */
export const MAX_BODY_BYTES = 16 * 1_048_576;
/** How far apart the clocks of two replicas may be. */
export const MAX_SKEW_MS = 30_000;

export interface HopHead {
  /** Id of the replica that is meant. */
  readonly target: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly nonce: string;
  /** SHA-256, base64url. */
  readonly digest: string;
  readonly length: number;
}

export interface HopKeys {
  sign(head: HopHead): string;
  /** Of one request, and of its answer. */
  sealers(head: Pick<HopHead, 'target' | 'nonce'>): { readonly request: Sealer; readonly answer: Sealer };
}

/** `key`: derived from the root secret for this purpose alone. */
export function openHopKeys(key: Buffer): HopKeys {
  const root = key.toString('base64url');
  const mac = deriveKey(root, 'signature');
  const sealer = (part: string, { target, nonce }: Pick<HopHead, 'target' | 'nonce'>) =>
    openSealer(deriveKey(root, `${part} ${target} ${nonce}`));
  return {
    sign: ({ target, at, nonce, digest, length }) =>
      createHmac('sha256', mac)
        .update(['POST', HOP_PATH, target, at, nonce, digest, length].join('\n'))
        .digest('base64url'),
    sealers: (head) => ({ request: sealer('request', head), answer: sealer('answer', head) }),
  };
}

export const newNonce = (): string => randomBytes(16).toString('base64url');
export const digestOf = (body: string | Buffer): string => hash('sha256', body, 'base64url');

const heads = z.object({
  'x-hop-target': z.string().regex(/^[\w-]{1,64}$/),
  'x-hop-time': z.string().regex(/^\d{1,15}$/),
  'x-hop-nonce': z.string().regex(/^[\w-]{22}$/),
  'x-hop-digest': z.string().regex(/^[\w-]{43}$/),
  'x-hop-signature': z.string().regex(/^[\w-]{43}$/),
  'content-length': z.string().regex(/^\d{1,12}$/),
});

export function headersOf(head: HopHead, keys: HopKeys): Record<string, string> {
  return {
    'content-type': 'application/octet-stream',
    'content-length': String(head.length),
    'x-hop-target': head.target,
    'x-hop-time': String(head.at),
    'x-hop-nonce': head.nonce,
    'x-hop-digest': head.digest,
    'x-hop-signature': keys.sign(head),
  };
}

/** undefined: incomplete, or signed by somebody else. */
export function readHead(headers: Readonly<Record<string, unknown>>, keys: HopKeys): HopHead | undefined {
  const { data } = heads.safeParse(headers);
  if (!data) return undefined;
  const head = {
    target: data['x-hop-target'],
    at: Number(data['x-hop-time']),
    nonce: data['x-hop-nonce'],
    digest: data['x-hop-digest'],
    length: Number(data['content-length']),
  };
  const signed = timingSafeEqual(Buffer.from(keys.sign(head)), Buffer.from(data['x-hop-signature']));
  return signed ? head : undefined;
}

/** One line of an answer: events and signs of life, then one result or error. */
export type Frame =
  | { readonly event: JsonObject }
  | { readonly alive: true }
  | { readonly result: JsonObject }
  | { readonly error: JsonObject };

/** Throws SyntaxError. */
export function parseFrame(text: string): Frame {
  const { event, result, error } = parseJsonObject(text);
  if (isJsonObject(event)) return { event };
  if (isJsonObject(result)) return { result };
  return isJsonObject(error) ? { error } : { alive: true };
}

/** Sealed for its place in the answer. */
export const placeOf = (index: number): string => String(index);

/** For errors that are not ours to know, such as an upstream server's own: both may say undefined. */
export interface ErrorCodec {
  write(thrown: unknown): JsonObject | undefined;
  read(failure: JsonObject): Error | undefined;
}

export function errorFrame(thrown: unknown, codec?: ErrorCodec): Frame {
  const foreign = codec?.write(thrown);
  if (foreign) return { error: { foreign } };
  const error = asGatehouseError(thrown);
  const { code, message, data, retryAfterSeconds } = error;
  // Undefined members are left out; the cause stays in the owner's log.
  return { error: parseJsonObject(JSON.stringify({ code, rpc: error.row.rpc, message, data, retryAfterSeconds })) };
}

const failures = z.object({
  code: z.string(),
  message: z.string(),
  data: z.unknown().optional(),
  retryAfterSeconds: z.number().optional(),
});

/** As the owner threw it. A code that this version does not know is `internal`. */
export function errorOf(failure: JsonObject, codec?: ErrorCodec): Error {
  const foreign = objectIn(failure, 'foreign');
  if (foreign) return codec?.read(foreign) ?? new GatehouseError('internal', { cause: foreign });
  const { data: parsed } = failures.safeParse(failure);
  if (!parsed || !isErrorCode(parsed.code)) return new GatehouseError('internal', { cause: failure });
  const { code, message, data, retryAfterSeconds } = parsed;
  return new GatehouseError(code, {
    message,
    ...(data === undefined ? {} : { data }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorTable, code);
