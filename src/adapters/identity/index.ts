import { adapterRegistry } from '#core/adapter.ts';
import { clerkAdapter } from './clerk/clerk.ts';
import { githubAdapter } from './github/github.ts';
import type { IdentityDeps, IdentityProvider } from './identity.ts';
import { oidcAdapter } from './oidc/oidc.ts';
import { sharedSecretAdapter } from './shared-secret/shared-secret.ts';
import { workosAdapter } from './workos/workos.ts';

export const identityAdapters = adapterRegistry<IdentityDeps, IdentityProvider>([
  workosAdapter,
  clerkAdapter,
  oidcAdapter,
  githubAdapter,
  sharedSecretAdapter,
]);
