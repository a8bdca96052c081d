/** OAuth clients for the authorization server: where the library finds them, where they register, what becomes of them. */
import type { FastifyPluginAsync } from 'fastify';
import { LRUCache } from 'lru-cache';
import Provider, {
  type Adapter,
  type ClientMetadata,
  type Configuration,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import { GatehouseError } from '#core/error.ts';
import { addressKey } from '#http/client-address.ts';
import { paths } from '#oauth/mount.ts';
import { markClientSignedIn } from '#records/clients.ts';
import { openClientDocuments } from './client-documents.ts';
import type { RegistrationDeps } from './client-registry.ts';
import { openClientStore } from './client-store.ts';
import { registrationPlugin } from './registration.ts';

export interface ClientsDeps extends Omit<RegistrationDeps, 'managementUrl' | 'validate'> {
  readonly settings: RegistrationDeps['settings'] & { readonly clientMetadataDocuments: boolean };
  /** Guarded. */
  readonly fetch: typeof globalThis.fetch;
  /** The provider in charge now. */
  readonly provider: () => Provider;
}

export interface Clients {
  /** The library's storage, with ours for its model `Client`. */
  over(open: (model: string) => Adapter): (model: string) => Adapter;
  /** For what the library publishes: it neither registers clients nor fetches documents itself. */
  readonly features: Pick<NonNullable<Configuration['features']>, 'registration' | 'clientIdMetadataDocument'>;
  readonly plugin: FastifyPluginAsync;
  /** For the library: it fetches clients' keys (`jwks_uri`), at anybody's asking, as often as asked. */
  readonly fetch: typeof globalThis.fetch;
  /** For every provider that is built. */
  extend(provider: Provider): void;
}

export function openClients(deps: ClientsDeps): Clients {
  const validate = (metadata: ClientMetadata) => deps.provider().Client.validate(metadata);
  const { settings } = deps;
  const documents = settings.clientMetadataDocuments
    ? openClientDocuments({ ...deps, validate, askedBy: () => Provider.ctx && addressOf(Provider.ctx, deps) })
    : undefined;
  const managementUrl = (id: string) => `${deps.issuer}${paths.registration}/${id}`;
  const store = openClientStore({ ...deps, documents });
  const keepSignedIn = signedInKeeper(deps);
  return {
    over: (open) => (model) => (model === 'Client' ? store : open(model)),
    features: {
      registration: { enabled: settings.registration.enabled, initialAccessToken: false },
      clientIdMetadataDocument: {
        enabled: settings.clientMetadataDocuments,
        ack: 'draft-02',
        allowFetch: () => false,
      },
    },
    fetch: limitedFetch(deps),
    plugin: registrationPlugin(paths.registration, { ...deps, validate, managementUrl }),
    extend(provider) {
      // A code was given for an agreement, or tokens for a code: either way a person completed a sign-in.
      provider.on('authorization.success', (ctx) => keepSignedIn(ctx.oidc.client?.clientId));
      provider.on('grant.success', (ctx) => keepSignedIn(ctx.oidc.client?.clientId));
    },
  };
}

const keysPerAddress = { points: 60, windowSeconds: 60 };
const keysTogether = { points: 600, windowSeconds: 60 };

function limitedFetch(deps: ClientsDeps): typeof globalThis.fetch {
  const { limiter } = deps;
  return async (input, init) => {
    const address = Provider.ctx && addressOf(Provider.ctx, deps);
    const own = address === undefined || (await limiter.take(`client-keys ${address}`, keysPerAddress)).allowed;
    if (own && (await limiter.take('client-keys', keysTogether)).allowed) return deps.fetch(input, init);
    throw new GatehouseError('rate_limited');
  };
}

function addressOf({ req }: KoaContextWithOIDC, { readAddress }: ClientsDeps): string {
  return addressKey(readAddress(req.socket.remoteAddress ?? '', req.headers['x-forwarded-for']?.toString()));
}

/** Written once per client and replica; a failure is made good by the next event. */
function signedInKeeper({ db, clock, log, settings }: ClientsDeps): (clientId: string | undefined) => void {
  const known = new LRUCache<string, true>({ max: 10_000 });
  return (clientId) => {
    if (!clientId?.startsWith('client_') || known.has(clientId)) return;
    known.set(clientId, true);
    markClientSignedIn(db, clientId, { nowMs: clock.now(), lifetimeSeconds: settings.clientSeconds }).catch(
      (err: unknown) => {
        known.delete(clientId);
        log.warn({ err, clientId }, 'a client that was signed in through is not marked yet');
      },
    );
  };
}
