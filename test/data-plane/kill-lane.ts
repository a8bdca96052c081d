/** `node test/data-plane/kill-lane.ts [kills]`: the long form of kill.test.ts, 100 kills by default. Exit 1 on a loss. */
import pg from 'pg';
import { startPostgres } from '#kit/postgres-server.ts';
import { killUnderLoad } from './kill.ts';

const kills = Number(process.argv[2] ?? 100);
const server = await startPostgres();
const databaseUrl = server.url('postgres');
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
// The server ends first: its farewell to idle connections is no failure.
pool.on('error', () => undefined);
try {
  const { answered, lost } = await killUnderLoad({
    kills,
    loadMs: () => 100 + Math.random() * 900,
    concurrency: 16,
    databaseUrl,
    report: (round, count) => console.log(`kill ${round + 1}: ${count} answers`),
    findAudited: async (ids) => {
      const { rows } = await pool.query('select id::text as id from gateway.audit where id = any($1::uuid[])', [ids]);
      return new Set(rows.map(({ id }: { id: string }) => id));
    },
  });
  console.log(`${answered} answers in ${kills} lives, ${lost.length} without a record`);
  for (const id of lost.slice(0, 20)) console.log(`  ${id}`);
  process.exitCode = lost.length === 0 ? 0 : 1;
} finally {
  await pool.end();
  await server.stop();
}
