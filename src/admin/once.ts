/**
 * What the headers of a request ask for: that it happens once (Idempotency-Key) or only to what was looked at (If-Match,
 * RFC 9110 13.1.1). Claims are in the database, so that replicas agree.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { claimAdminRequest, finishAdminRequest, releaseAdminRequest } from '#records/admin-requests.ts';
import { canonical } from './canonical.ts';
import type { AdminRecords } from './records.ts';

export interface RequestConditions {
  /** `If-Match`, as sent. */
  readonly ifMatch?: string | undefined;
  /** `Idempotency-Key`, as sent. */
  readonly idempotencyKey?: string | undefined;
  /** Told that the answer is an older one. */
  readonly onReplay?: () => void;
}

interface Deps {
  readonly records: Pick<AdminRecords, 'asPlatform' | 'sealRequest' | 'openRequest'>;
  readonly clock: Clock;
}

const keptMs = 24 * 3_600_000;
/** Longer than any request takes: of a replica that died meanwhile. */
const workMs = 10 * 60_000;
const editMs = 60_000;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
const keySyntax = /^[\x21-\x7e]{1,255}$/;
const kept = z.object({ asked: z.string(), answer: z.unknown().optional() });

export interface OnceRequest {
  readonly actor: string;
  readonly route: string;
  readonly key: string;
  readonly input: unknown;
  /** The answer is kept, sealed, and given again. */
  readonly isRepeatable: boolean;
  readonly onReplay?: (() => void) | undefined;
}

/** Throws `bad_request`, `conflict`, `idempotency_mismatch`, and what the work throws: then it may be tried again. */
export async function once<T>({ records, clock }: Deps, request: OnceRequest, work: () => Promise<T>): Promise<T> {
  const { actor, route, key, input, isRepeatable } = request;
  if (!keySyntax.test(key))
    throw new GatehouseError('bad_request', { message: 'Idempotency-Key must be 1 to 255 visible ASCII characters' });
  const id = digest(JSON.stringify(['once', actor, route, key]));
  const asked = digest(canonical(input));
  const seal = (answer?: unknown) => records.sealRequest(id, JSON.stringify({ asked, answer }));
  const before = await records.asPlatform((scope) =>
    claimAdminRequest(scope, { id, sealed: seal(), nowMs: clock.now(), forMs: workMs }),
  );
  if (before) {
    const { answer } = openBefore(records.openRequest(id, before.sealed ?? ''), asked);
    if (before.state === 'running') throw again('The request with this Idempotency-Key is still being worked on');
    if (answer === undefined)
      throw again('It was done already: its answer held a secret, which is shown once. Make another one if it is lost');
    request.onReplay?.();
    return answer as T;
  }
  const answer = await releasing(work, () => records.asPlatform((scope) => releaseAdminRequest(scope, id)));
  // It is done: if this cannot be kept, whoever repeats it is told that it is under way rather than that it happens twice.
  const sealed = seal(isRepeatable ? answer : undefined);
  await records.asPlatform((scope) => finishAdminRequest(scope, { id, sealed, nowMs: clock.now(), forMs: keptMs }));
  return answer;
}

/** What failed may be tried again. */
async function releasing<T>(work: () => Promise<T>, release: () => Promise<void>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    await release();
    throw thrown;
  }
}

const again = (message: string) => new GatehouseError('conflict', { message });

function openBefore(text: string | undefined, asked: string): z.output<typeof kept> {
  if (text === undefined) return { asked };
  const before = kept.parse(JSON.parse(text));
  if (before.asked !== asked) throw new GatehouseError('idempotency_mismatch');
  return before;
}

/** Of a group its own row alone: who is in it changes all the time. */
const notCompared: ReadonlySet<string> = new Set(['people', 'grants', 'members']);

/** Strong (RFC 9110 8.8.3): of what is read, whichever replica answers. */
export function etagOf(answer: unknown): string {
  const fields = typeof answer === 'object' && answer !== null ? Object.entries(answer) : [];
  const compared = Object.fromEntries(fields.filter(([name]) => !notCompared.has(name)));
  return `"${digest(canonical(compared)).slice(0, 32)}"`;
}

interface Edit {
  readonly ifMatch: string;
  /** What is changed, by route and input. */
  readonly target: string;
  readonly read: () => Promise<unknown>;
}

/** Throws `precondition_failed` where it is another one by now, or is being changed. */
export async function ifUnchanged<T>({ records, clock }: Deps, edit: Edit, work: () => Promise<T>): Promise<T> {
  const id = digest(JSON.stringify(['edit', edit.target]));
  const claim = { id, sealed: null, nowMs: clock.now(), forMs: editMs };
  if (await records.asPlatform((scope) => claimAdminRequest(scope, claim)))
    throw new GatehouseError('precondition_failed');
  try {
    if (!matches(edit.ifMatch, etagOf(await edit.read()))) throw new GatehouseError('precondition_failed');
    return await work();
  } finally {
    await records.asPlatform((scope) => releaseAdminRequest(scope, id));
  }
}

function matches(ifMatch: string, etag: string): boolean {
  const given = ifMatch.split(',').map((each) => each.trim());
  return given.includes('*') || given.includes(etag);
}
