/** vitest globalSetup: one PostgreSQL per test run, started when the first test file asks for it (test/kit/postgres.ts). */
import { createServer } from 'node:net';
import type { TestProject } from 'vitest/node';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Loopback port that answers every connection with the superuser's URL of the database `postgres`. */
    readonly postgresDoor: number;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  let started: Promise<PostgresServer> | undefined;
  const door = createServer((socket) => {
    socket.on('error', () => undefined);
    started ??= startPostgres();
    started.then(
      (server) => socket.end(JSON.stringify({ url: server.url('postgres') })),
      (error: unknown) => socket.end(JSON.stringify({ error: error instanceof Error ? error.message : 'unknown' })),
    );
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  door.unref();
  const address = door.address();
  if (!address || typeof address === 'string') throw new Error('the test database has no door');
  project.provide('postgresDoor', address.port);
  return async () => {
    door.close();
    await started?.then(
      (server) => server.stop(),
      () => undefined,
    );
  };
}
