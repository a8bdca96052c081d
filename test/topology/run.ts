/**
 * `npm run topology [-- haproxy|nginx]`: the replicated deployment as plain processes on loopback, with every balancer
 * that is installed. Prints what it saw, ends what it started, and exits 1 where something was not as it should be.
 */
import { Client } from 'pg';
import { startPostgres } from '#kit/postgres-server.ts';
import { balancerNames } from './balancers.ts';
import { judge } from './judge.ts';
import { runTopology } from './topology.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const asked = process.argv.slice(2);
const balancers = balancerNames.filter((name) => asked.length === 0 || asked.includes(name));
if (balancers.length === 0) say('Neither HAProxy nor nginx is installed: nothing can be run.');
const patience = setTimeout(() => {
  say('FAIL: it took more than ten minutes');
  process.exit(1);
}, 600_000).unref();

let isGood = true;
for (const balancer of balancers) {
  const postgres = await startPostgres();
  try {
    const client = new Client(postgres.url('postgres'));
    await client.connect();
    await client.query('create database gatehouse');
    await client.end();
    const faults = judge(await runTopology({ databaseUrl: postgres.url('gatehouse'), balancer, say }));
    isGood &&= faults.length === 0;
    say(faults.length === 0 ? 'PASS' : `FAIL: ${faults.join('; ')}`);
  } finally {
    await postgres.stop();
  }
}
clearTimeout(patience);
process.exitCode = isGood ? 0 : 1;
