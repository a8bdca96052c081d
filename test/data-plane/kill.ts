/**
 * Kills a gateway under load with SIGKILL, again and again on one data directory, and asks afterwards whether every answer
 * that a client received has its row in the audit trail.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { startLoad } from './load.ts';

export interface KillOptions {
  readonly kills: number;
  /** Milliseconds of load before each kill, by round. */
  readonly loadMs: (round: number) => number;
  readonly concurrency: number;
  readonly databaseUrl: string;
  /** Which of these request ids have a row. */
  readonly findAudited: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly report?: (round: number, answered: number) => void;
}

export interface KillOutcome {
  readonly answered: number;
  /** Request ids of answers that no row tells of. */
  readonly lost: readonly string[];
}

export const killRootSecret = 'a-root-secret-for-the-kill-test-only';

const configYaml = (upstream: string) => `
organizations: [{ slug: demo, name: Demo }]
servers: [{ key: plain, transport: { kind: http, url: '${upstream}/mcp' } }]
collections: [{ organization: demo, name: open, allowedRoles: '*', bindings: [{ server: plain }] }]
enablements: [{ organization: demo, server: plain, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
limits:
  principal: { requestsPerMinute: 10000000, concurrentCalls: 1000 }
  organization: { requestsPerMinute: 10000000, concurrentCalls: 1000 }
`;

export async function killUnderLoad(options: KillOptions): Promise<KillOutcome> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-kill-'));
  const upstream: RecordingUpstream = await startRecordingUpstream();
  const env = { DATABASE_URL: options.databaseUrl, ENCRYPTION_KEY: killRootSecret };
  const start = () => startGateway({ configYaml: configYaml(upstream.url), dataDir, env, quiet: true });
  const answered = new Set<string>();
  let gateway: RunningGateway = await start();
  const auth = bearer(await createKey(gateway));
  try {
    for (let round = 0; round < options.kills; round++) {
      const load = startLoad(`${gateway.url}/demo/mcp/open`, auth, options.concurrency);
      await new Promise((resolve) => setTimeout(resolve, options.loadMs(round)));
      await gateway.kill9();
      await load.stop();
      for (const id of load.answered) answered.add(id);
      options.report?.(round, load.answered.size);
      upstream.clear();
      gateway = await start();
    }
    const lost = await settle(answered, options.findAudited);
    return { answered: answered.size, lost };
  } finally {
    await gateway.stop();
    await upstream.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** The spool is replayed in the background: waits for it, at most 20 s. */
async function settle(
  answered: ReadonlySet<string>,
  findAudited: KillOptions['findAudited'],
): Promise<readonly string[]> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const audited = await findAudited([...answered]);
    const lost = [...answered].filter((id) => !audited.has(id));
    if (lost.length === 0 || Date.now() > deadline) return lost;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
