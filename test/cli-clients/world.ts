/** A gateway with an organization, a server, local accounts and one person, behind a relay that keeps what is asked. */
import { z } from 'zod';
import { startGateway } from '#kit/gateway.ts';
import { sqlOf } from '#kit/postgres.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { startRecordingUpstream } from '#kit/recording-upstream.ts';
import type { Account } from './browser.ts';
import { noWayOut } from './client.ts';
import { type Relay, startRelay } from './relay.ts';

export interface Kind {
  readonly title: string;
  /** The section `oauth` of gatehouse.yaml. */
  readonly oauth: string;
  /** Tokens live as long: clients are watched until they had to refresh theirs. */
  readonly tokenSeconds?: number;
}

export const kinds: readonly Kind[] = [
  { title: 'as delivered, without a way to the Internet', oauth: '{}' },
  {
    title: 'without client metadata documents, tokens of one minute',
    oauth: '{ clientMetadataDocuments: false, accessTokenSeconds: 60 }',
    tokenSeconds: 60,
  },
];

const yaml = (upstream: string, oauth: string) => `
organizations:
  - { slug: acme, name: Acme }
servers:
  - { key: notes, title: Notes, transport: { kind: http, url: '${upstream}/mcp' } }
collections:
  - { organization: acme, name: docs, allowedRoles: '*', bindings: [{ server: notes }] }
identity:
  - { kind: local }
oauth: ${oauth}
egress: { allow: ['127.0.0.1'] }
`;

/** One line of the gateway's audit of MCP calls. */
const call = z.object({
  user_agent: z.string().nullable(),
  subject: z.string(),
  rpc_method: z.string().nullable(),
  status: z.number(),
});
export type AuditedCall = z.infer<typeof call>;

export interface World {
  /** What people paste into their client: a collection of the organization. */
  readonly mcpUrl: string;
  readonly account: Account;
  readonly tokenSeconds: number | undefined;
  readonly relay: Relay;
  /** Calls of people who were signed in, since `from` (Unix milliseconds): as the gateway keeps them. */
  calls(from: number): Promise<readonly AuditedCall[]>;
  close(): Promise<void>;
}

const made = z.object({ username: z.string(), password: z.string() });

export async function openWorld({ oauth, tokenSeconds }: Kind): Promise<World> {
  const [postgres, upstream, relay] = await Promise.all([startPostgres(), startRecordingUpstream(), startRelay()]);
  const database = postgres.url('postgres');
  const gateway = await startGateway({
    configYaml: yaml(upstream.url, oauth),
    env: {
      DATABASE_URL: database,
      ENCRYPTION_KEY: 'a-root-secret-of-the-clients-lane-only',
      BASE_URL: relay.url,
      HTTPS_PROXY: noWayOut.HTTPS_PROXY,
    },
  });
  relay.forwardTo(gateway.url);
  const account = made.parse(await gateway.cli('user', 'create', 'ada', '--org', 'acme', '--name', 'Ada Lovelace'));
  const query = (from: number) =>
    `select user_agent, subject, rpc_method, status from gateway.audit
      where principal_kind = 'user' and at >= to_timestamp(${from} / 1000.0) order by at`;
  return {
    mcpUrl: `${relay.url}/acme/mcp/docs`,
    account,
    tokenSeconds,
    relay,
    calls: async (from) => z.array(call).parse(await sqlOf(database, query(from))),
    async close() {
      await relay.close();
      await gateway.stop();
      await upstream.close();
      await postgres.stop();
    },
  };
}
