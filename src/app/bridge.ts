import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { settingError } from '#core/error.ts';
import { type EntraBridgeDeps, openEntraBridge } from '#oauth/entra-bridge/entra-bridge.ts';

/** In bridge mode the authorization server that clients see is this gateway, for all of its endpoints. */
export function openBridge(
  providers: readonly IdentityProvider[],
  deps: Omit<EntraBridgeDeps, 'server'>,
): { readonly providers: readonly IdentityProvider[]; readonly plugin: FastifyPluginAsync } | undefined {
  const bridged = providers.find(({ mode }) => mode === 'bridge');
  if (!bridged) return undefined;
  if (!bridged.bridge) throw settingError(`${bridged.name} has no bridge mode: give it mode: broker or mode: direct`);
  const other = providers.find((provider) => provider !== bridged && provider.mode !== 'direct');
  if (other) {
    throw settingError(
      `Bridge mode of ${bridged.name} speaks for the whole gateway: give ${other.name} mode: direct, or ${bridged.name} mode: broker`,
    );
  }
  const { metadata, plugin } = openEntraBridge({ ...deps, server: bridged.bridge });
  const known = { ...bridged, authorizationServer: deps.baseUrl, metadata: async () => metadata };
  return { providers: providers.map((provider) => (provider === bridged ? known : provider)), plugin };
}
