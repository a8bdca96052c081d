/** The portal's door, composed: our own sign-in, whose rights somebody has, Open WebUI's sessions, the built files. */
import { createHash, randomBytes } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { AdminPluginDeps } from '#admin/plugin.ts';
import { callerFinder, type OpenWebuiSessions, sessionActor } from '#admin/portal/callers.ts';
import { portalFolder } from '#admin/portal/files.ts';
import { openPortal, type Portal, type PortalDeps, type PortalSignIn } from '#admin/portal/plugin.ts';
import { openSessions } from '#admin/portal/sessions.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { asGatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { openSealer } from '#core/sealer.ts';
import { withPlatform } from '#db/scope.ts';
import type { AddressReader } from '#http/client-address.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { houseClientId, portalSignedInPath } from '#oauth/connect/house-client.ts';
import { listMemberships } from '#records/users.ts';
import type { AdminAudit } from './admin-audit.ts';
import type { AdminPeople } from './admin-people.ts';
import { OPEN_WEBUI_COOKIE } from './rest.ts';
import type { Storage } from './storage.ts';
import { productRoot } from './version.ts';

export interface PortalRoomsDeps {
  readonly storage: Pick<Storage, 'db' | 'rootSecret' | 'records'>;
  readonly people: AdminPeople;
  readonly providers: readonly IdentityProvider[];
  readonly server: AuthorizationServer | undefined;
  readonly audit: AdminAudit;
  readonly takeStranger: PortalDeps['takeStranger'];
  readonly readAddress: AddressReader;
  readonly baseUrl: string;
  readonly version: string;
  /** Of another build of it. */
  readonly portalFolder?: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PortalRooms {
  readonly plugin: FastifyPluginAsync;
  readonly sendPage: Portal['sendPage'];
  readonly findSession: NonNullable<AdminPluginDeps['findSession']>;
  readonly newLink: () => Promise<{ readonly url: string; readonly expiresAt: number }>;
}

export function openPortalRooms(config: Config, deps: PortalRoomsDeps): PortalRooms {
  const { storage, people, server, baseUrl, clock } = deps;
  const { db, records } = storage;
  const root = storage.rootSecret.reveal();
  const sessions = openSessions({ db, clock, baseUrl, csrfKey: deriveKey(root, 'portal-csrf') });
  const openWebui = openWebuiSessions(deps);
  const callers = { sessions, openWebui, asPerson: people.ofUser };
  const portal = openPortal({
    ...{ ...deps, ...callers, audit: deps.audit.audit },
    signIn: server && signInAt(server, baseUrl),
    isBesideOpenWebui: config.openWebuiUrl !== undefined,
    folder: deps.portalFolder ?? portalFolder(productRoot),
    sealer: openSealer(deriveKey(root, 'portal-seal')),
    csrfOf: sessions.csrfOf,
    listOrganizations: () => records.listOrganizations(),
    async listOrganizationsOf(userId) {
      const mine = await withPlatform(db, (scope) => listMemberships(scope, userId));
      const found = await Promise.all(mine.map(({ org }) => records.findOrganization(org)));
      return found.filter((row) => row !== undefined);
    },
    gateway: {
      version: deps.version,
      baseUrl,
      isDemo: config.demo,
      hasPublicUrl: !isOnThisMachine(baseUrl),
      canSignIn: server !== undefined,
      isOpenWebui: openWebui !== undefined,
    },
  });
  return {
    ...portal,
    findSession: sessionActor(callerFinder(callers), sessions),
    async newLink() {
      const { code, expiresAt } = await sessions.newLink();
      return { url: `${baseUrl}/mcp-admin/link?code=${code}`, expiresAt };
    },
  };
}

/** As a client of our own authorization server: whichever identity providers and accounts it has. */
function signInAt(server: AuthorizationServer, baseUrl: string): PortalSignIn {
  return {
    find: (req, res) => server.signInOf(req, res),
    end: (req, res) => server.signOut(req, res),
    urlOf(state, again) {
      const query = new URLSearchParams({
        client_id: houseClientId,
        redirect_uri: baseUrl + portalSignedInPath,
        response_type: 'code',
        scope: 'openid',
        state,
        // Nobody redeems the code: that the person is signed in is all that is wanted.
        code_challenge: createHash('sha256').update(randomBytes(32)).digest('base64url'),
        code_challenge_method: 'S256',
        ...(again && { prompt: 'login' }),
      });
      return `${baseUrl}/authorize?${query}`;
    },
  };
}

/** undefined: it is no identity provider here. */
function openWebuiSessions({ providers, people }: PortalRoomsDeps): OpenWebuiSessions | undefined {
  const provider = providers.find(({ kind }) => kind === 'shared-secret');
  if (!provider) return undefined;
  return {
    cookie: OPEN_WEBUI_COOKIE,
    async find(token) {
      try {
        // Not what is remembered of it: whoever is no user there any more is none here.
        await provider.verify(token);
        return await people.ofToken(token, provider);
      } catch (thrown) {
        if (asGatehouseError(thrown).row.http === 401) return undefined;
        throw thrown;
      }
    },
  };
}

const isOnThisMachine = (url: string) =>
  /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|.*\.localhost)$/.test(new URL(url).hostname);
