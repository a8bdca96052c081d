/**
 * `npm run conformance`: the official suite through the gateway (`--direct`: straight at the fixture), and its
 * `authorization` mode against our authorization server. Exit 1 on a failure.
 */
import { startBrokeredWorld } from '#kit/brokered-world.ts';
import { startConformanceServer } from '#kit/conformance-server.ts';
import { startSubject } from '#kit/conformance-subject.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { runAuthorizationSuite } from './authorization.ts';
import { failedRequired, renderOutcomes, revisions, runSuite } from './suite.ts';

const direct = process.argv.includes('--direct');
const fixture = await startConformanceServer();
const subject = direct ? undefined : await startSubject(fixture.url);
const url = subject?.url ?? fixture.url;
let failed = 0;
try {
  const all = await Promise.all(revisions.map((revision) => runSuite(url, revision)));
  for (const [index, revision] of revisions.entries()) {
    const outcomes = all[index] ?? [];
    failed += failedRequired(outcomes).length;
    console.log(renderOutcomes(`${revision} ${direct ? 'straight at the fixture' : 'through the gateway'}`, outcomes));
  }
} finally {
  await subject?.close();
  await fixture.close();
}
const postgres = direct ? undefined : await startPostgres();
const world =
  postgres && (await startBrokeredWorld({ database: { url: postgres.url('postgres'), close: postgres.stop } }));
try {
  for (const revision of world ? revisions : []) {
    const outcomes = world ? await runAuthorizationSuite(world, revision) : [];
    failed += failedRequired(outcomes).length;
    console.log(renderOutcomes(`${revision} authorization server`, outcomes));
  }
} finally {
  await world?.close();
}
process.exitCode = failed === 0 ? 0 : 1;
