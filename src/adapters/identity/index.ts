import { adapterRegistry } from '#core/adapter.ts';
import { clerkAdapter } from './clerk/clerk.ts';
import { entraAdapter } from './entra/entra.ts';
import { githubAdapter } from './github/github.ts';
import type { IdentityDeps, IdentityProvider } from './identity.ts';
import { localAdapter } from './local/local.ts';
import { oidcAdapter } from './oidc/oidc.ts';
import { sharedSecretAdapter } from './shared-secret/shared-secret.ts';
import { workosAdapter } from './workos/workos.ts';

export const identityAdapters = adapterRegistry<IdentityDeps, IdentityProvider>([
  workosAdapter,
  clerkAdapter,
  oidcAdapter,
  entraAdapter,
  githubAdapter,
  sharedSecretAdapter,
  localAdapter,
]);
