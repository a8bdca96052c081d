/** A token of the built-in authorization server for a member of an organization, without a browser. */
import pg from 'pg';
import { openDb } from '#db/open.ts';
import { withPlatform } from '#db/scope.ts';
import { openTestServer, signIn } from '#kit/oauth.ts';
import { openTestDatabase } from '#kit/postgres.ts';
import { findOrganization } from '#records/organizations.ts';
import { putMember } from '#records/users.ts';

export interface OwnTokenOptions {
  readonly databaseUrl: string;
  /** Of the gateway that is to accept it. */
  readonly issuer: string;
  readonly rootSecret: string;
  readonly organization: string;
  readonly roles: readonly string[];
}

/** Good for two hours. The gateway must run: its configuration made the organization. */
export async function issueOwnToken(options: OwnTokenOptions): Promise<string> {
  const { databaseUrl: url, issuer, rootSecret, roles } = options;
  const database = await openTestDatabase(url);
  const operator = new pg.Pool({ connectionString: url, max: 1 });
  const db = openDb(database.dialect);
  const sql = async (text: string) => (await operator.query(text)).rows;
  const server = await openTestServer({
    database: { url, database, db, sql, close: async () => undefined },
    issuer,
    rootSecret,
    settings: { accessTokenSeconds: 7200 },
  });
  try {
    const { user, client } = await signIn(server);
    await withPlatform(db, async (scope) => {
      const organization = await findOrganization(scope, options.organization);
      if (!organization) throw new Error('the organization is not there');
      await putMember(scope, { userId: user.id, org: organization.id, roles });
    });
    return (await signIn(server, { subject: user.subject, client })).accessToken;
  } finally {
    await server.close();
    await operator.end();
    await database.close();
  }
}
