/** The operator's guide, run: every line about rotating, cleaning up and incidents, one after the other, on a live gateway. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

let database: TestDatabase;
let app: RunningGateway;
let env: Record<string, string>;

const configYaml = `
identity: [{ kind: local }]
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: 'https://files.example/mcp' } }]
enablements: [{ organization: acme, server: files, allMembers: true }]
`;

beforeAll(async () => {
  database = await createTestDatabase();
  const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
  app = await startGateway({ configYaml, env: { DATABASE_URL: database.url, ENCRYPTION_KEY: key } });
  env = { DATA_DIR: app.dataDir, FILES_TOKEN: 'one', NEW_FILES_TOKEN: 'two' };
  await database.sql(
    `insert into gateway.users (subject, email, email_verified) values ('ada', 'ada@example.com', true)`,
  );
  await database.sql(
    `insert into gateway.members (org_id, user_id) select o.id, u.id from gateway.organizations o, gateway.users u`,
  );
  await database.sql(`insert into gateway.oauth_clients (id, metadata, signed_in_at) values
    ('client_ID', '{"redirect_uris": ["https://ai.example/cb"]}', now())`);
}, 60_000);
afterAll(async () => {
  await app?.stop();
  await database?.close();
});

const guide = readFileSync('docs/guide/operations.md', 'utf8');

/** Lines of the blocks below a heading, as a shell would hand them over. */
function linesBelow(heading: string): readonly (readonly string[])[] {
  const [section = ''] = (guide.split(`\n## ${heading}\n`)[1] ?? '').split('\n## ');
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .filter((line) => line.startsWith('gatehouse '))
      .map((line) => (line.replace(/\s+#.*$/, '').match(/"[^"]*"|\S+/g) ?? []).slice(1))
      .map((words) => words.map((word) => word.replaceAll('"', ''))),
  );
}

async function run(words: readonly string[]): Promise<void> {
  const { code, err } = await cli([...words, '--json'], { env });
  expect([words.join(' '), err, code]).toEqual([words.join(' '), '', 0]);
}

const made = z.object({ id: z.string() });

test.each(['Rotate', 'Look and clean up', 'Incidents'])(
  'what the guide says under “%s” works as it stands [S1.47]',
  async (heading) => {
    const lines = linesBelow(heading);
    expect(lines.length).toBeGreaterThan(3);
    const registration = { id: 'client_ID', redirect_uris: ['https://ai.example/cb'] };
    for (const line of lines) {
      // There is no TLS here; test/cli/operator.test.ts looks at a certificate.
      if (line[0] === 'certificate') continue;
      await database.sql(
        `insert into gateway.oauth_clients (id, metadata, signed_in_at) values ($1, $2, now()) on conflict do nothing`,
        [registration.id, JSON.stringify(registration)],
      );
      let words = line;
      if (words.includes('KEY_ID')) {
        const key = await cli(['key', 'create', '--org', 'acme', '--json'], { env });
        const { id } = made.parse(JSON.parse(key.out));
        words = words.map((word) => (word === 'KEY_ID' ? id : word));
      }
      if (words.includes('USER_ID')) {
        const [user] = await database.sql(`select id from gateway.users where subject = 'ada'`);
        words = words.map((word) => (word === 'USER_ID' ? String(user?.id) : word));
      }
      await run(words);
    }
  },
  90_000,
);
