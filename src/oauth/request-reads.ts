/**
 * What one request to the authorization server has read, for those of its parts that need the same again: it ends with the
 * request. Nothing that is written is decided by it alone: whether a grant is there still is asked again by the write.
 */
import { Provider } from 'oidc-provider';
import type { ProgramClient } from '#records/program-clients.ts';
import type { User } from '#records/users.ts';

export interface RequestReads {
  readonly clients: Map<string, ProgramClient>;
  readonly grants: Map<string, Readonly<Record<string, unknown>>>;
  /** By subject. */
  readonly users: Map<string, User>;
}

const reads = new WeakMap<object, RequestReads>();

export function readsOf(ctx: object): RequestReads {
  const known = reads.get(ctx) ?? { clients: new Map(), grants: new Map(), users: new Map() };
  reads.set(ctx, known);
  return known;
}

/** Of the request being answered. */
export const requestReads = (): RequestReads | undefined => Provider.ctx && readsOf(Provider.ctx);
