/** How directories tell of people: SCIM, and the webhooks of identity providers; and how replicas tell one another. */
import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { scimPlugin } from '#admin/scim/plugin.ts';
import { webhookPlugin } from '#admin/webhooks/plugin.ts';
import type { Clock } from '#core/clock.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import type { AddressReader } from '#http/client-address.ts';
import type { RootLog } from '#http/log.ts';
import { looksLikeApiKey } from '#records/api-key.ts';
import type { KeyVerifier } from '#records/key-verifier.ts';
import type { AdminAudit } from './admin-audit.ts';

export interface DirectoryDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: RootLog;
  /** As clients know the gateway, no trailing slash. */
  readonly baseUrl: string;
  readonly providers: readonly IdentityProvider[];
  readonly keys: KeyVerifier;
  readonly audit: AdminAudit;
  readonly readAddress: AddressReader;
  readonly takeStranger: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
}

export function directoryPlugins(deps: DirectoryDeps): readonly FastifyPluginAsync[] {
  const { keys } = deps;
  return [
    scimPlugin({
      ...deps,
      verifyKey: (key) => keys.verify(key),
      looksLikeApiKey,
      ...deps.audit,
    }),
    webhookPlugin({ ...deps, ...deps.audit }),
  ];
}

const identity = z.tuple([z.string(), z.string()]);

/** Returns what ends it. */
export function forgetOnChange(feed: ChangeFeed, providers: readonly IdentityProvider[]): () => void {
  return feed.subscribe((change) => {
    if (change.kind !== 'identity') return;
    const [name, subject] = identity.parse(JSON.parse(change.id));
    for (const provider of providers) if (provider.name === name) provider.forget?.(subject);
  });
}
