/** Who writes announces; who caches listens. Postgres LISTEN/NOTIFY between replicas, in-process when embedded, a poll as backstop. */
export type Change =
  | { readonly kind: 'organization'; readonly id: string }
  | { readonly kind: 'key'; readonly id: string }
  /** A user's rights or state: `id` is the user's. */
  | { readonly kind: 'user'; readonly id: string }
  /** Somebody at an identity provider: `id` is a JSON list of its name and their subject there. */
  | { readonly kind: 'identity'; readonly id: string }
  /** An access token ended before its time: `id` is the digest that VerifiedToken.tokenId has. */
  | { readonly kind: 'token'; readonly id: string }
  /** The keys that sign our tokens: `id` is a key id. */
  | { readonly kind: 'signing-key'; readonly id: string }
  | { readonly kind: 'session'; readonly id: string; readonly expiresAt: number }
  /** What changed in a session of a legacy client: `id` is the digest of the session's id. */
  | { readonly kind: 'session-state'; readonly id: string }
  /** No row: calls that go by this key are to be cancelled, on whatever replica they run. */
  | { readonly kind: 'cancelled'; readonly id: string }
  /** Anything may have changed (the feed was interrupted): drop all caches. */
  | { readonly kind: 'everything' };

export interface ChangeFeed {
  subscribe(listener: (change: Change) => void): () => void;
}
