/** Composition root. */
import { createServer } from 'node:http';
import fastify from 'fastify';
import { writeAdminToken } from '#admin/admin-token.ts';
import { ensureDemo } from '#admin/demo.ts';
import { removeGatewayFile, writeGatewayFile } from '#admin/gateway-file.ts';
import { openAdmin } from '#admin/handlers.ts';
import { adminPlugin } from '#admin/plugin.ts';
import { publicPlugin } from '#admin/public.ts';
import { openRecords } from '#app/open-records.ts';
import { openEncryptionKey } from '#config/demo-keys.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type Log, silentLog } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { looksLikeApiKey } from '#records/api-key.ts';

export interface AppDeps {
  readonly version: string;
  /** Called as each step of the start begins: for the terminal. */
  readonly onStep?: (what: string) => void;
}

export interface App {
  /** As clients reach it, no trailing slash. */
  readonly url: string;
  /** MCP paths worth showing, best first. */
  readonly endpoints: readonly string[];
  /** Of a demo's first start only. */
  readonly firstKey: Secret | undefined;
  readonly log: Log;
  /** Finishes what is in flight. Idempotent. */
  close(): Promise<void>;
}

/** Control plane only: the data plane is to be mounted in front of it. */
export async function openApp(config: Config, deps: AppDeps): Promise<App> {
  const step = deps.onStep ?? (() => undefined);
  step('open the database');
  const { records, close } = await openRecords(config, await openEncryptionKey(config), silentLog);
  step('prepare the demo');
  const demo = config.demo ? await ensureDemo(records, { root: config.dataDir, dataDir: config.dataDir }) : undefined;
  step('listen');
  const app = fastify({ routerOptions: { ignoreTrailingSlash: true } });
  let url = config.http.baseUrl;
  const status = () => ({ status: 'healthy', version: deps.version, demo: config.demo, url }) as const;
  const run = openAdmin({ records, clock: systemClock, status, audit: () => undefined });
  const verifyKey = () => Promise.reject(new GatehouseError('invalid_token'));
  const token = await writeAdminToken(config.dataDir);
  await app.register(adminPlugin({ run, token, verifyKey, looksLikeApiKey, log: silentLog, version: deps.version }));
  await app.register(
    publicPlugin({
      clock: systemClock,
      ready: () => true,
      baseUrl: () => url,
      version: deps.version,
      demo: config.demo,
    }),
  );
  await app.ready();
  const server = createServer((req, res) => app.routing(req, res));
  await new Promise<void>((resolve) => server.listen(config.http.port, config.http.host, resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  if (!config.baseUrlGiven) url = `http://localhost:${port}`;
  await writeGatewayFile(config.dataDir, `http://127.0.0.1:${port}`);
  return {
    url,
    endpoints: demo?.servers.map((key) => `/demo/mcp/${key}`) ?? [],
    firstKey: demo?.firstKey,
    log: silentLog,
    async close() {
      server.close();
      server.closeAllConnections();
      await app.close();
      await removeGatewayFile(config.dataDir);
      await close();
    },
  };
}
