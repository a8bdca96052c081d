/** Clients as operators register them, and how tests present themselves as one. */
import type { OrgId } from '#core/ids.ts';
import { withOrganization } from '#db/scope.ts';
import type { TestClient, TestServer } from '#kit/oauth.ts';
import { insertProgramClient, type NewProgramClient } from '#records/program-clients.ts';

export interface MadeClient {
  readonly id: string;
  readonly secret: string | undefined;
}

let made = 0;

export async function makeProgramClient(
  { database }: Pick<TestServer, 'database'>,
  org: OrgId,
  input: Partial<NewProgramClient>,
): Promise<MadeClient> {
  const { client, secret } = await withOrganization(database.db, org, (scope) =>
    insertProgramClient(scope, {
      name: `client ${++made}`,
      jwks: undefined,
      grants: [],
      scopes: ['mcp:read', 'mcp:write'],
      roles: [],
      redirectUris: [],
      introspects: [],
      assertionAudiences: {},
      ...input,
    }),
  );
  return { id: client.id, secret: secret?.reveal() };
}

export const asOauthClient = ({ id, secret }: MadeClient): TestClient => ({
  id,
  secret,
  redirectUri: 'https://client.example/callback',
  metadata: {},
});
