/**
 * The official suite in every cell: clients of both eras (its two revisions) against servers that speak one era only,
 * behind an endpoint of one binding and behind a collection of two whose names are plain.
 */
import { startConformanceServer } from '#kit/conformance-server.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { type Shim, startShim } from '#kit/shim.ts';
import { startLegacyTaskServer } from '#kit/task-servers/legacy.ts';
import { startModernTaskServer } from '#kit/task-servers/modern.ts';
import { expectedFailures } from './expected-failures.ts';
import { type Revision, revisions, runSuite, type ScenarioOutcome } from './suite.ts';

const serverEras = ['legacy', 'modern'] as const;
/** `one`: a single binding. `plain`: the same server and one with tasks, as one server without prefixes. */
const endpoints = ['one', 'plain'] as const;

export interface Cell {
  readonly client: Revision;
  readonly server: (typeof serverEras)[number];
  readonly endpoint: (typeof endpoints)[number];
}

export const cells: readonly Cell[] = revisions.flatMap((client) =>
  serverEras.flatMap((server) => endpoints.map((endpoint) => ({ client, server, endpoint }))),
);

export const nameOf = ({ client, server, endpoint }: Cell): string => `${client} to ${server}, ${endpoint}`;

export interface CellWorld {
  run(cell: Cell): Promise<readonly ScenarioOutcome[]>;
  readonly gateway: RunningGateway;
  close(): Promise<void>;
}

export async function startCells(): Promise<CellWorld> {
  const servers = {
    legacy: await startConformanceServer({ eras: 'legacy' }),
    modern: await startConformanceServer({ eras: 'modern' }),
    'legacy-tasks': await startLegacyTaskServer(),
    'modern-tasks': await startModernTaskServer(),
  };
  const gateway = await startGateway({ configYaml: configOf(Object.entries(servers)) });
  const shims: Shim[] = [];
  return {
    gateway,
    async run({ client, server, endpoint }) {
      const path = endpoint === 'one' ? server : `${server}-plain`;
      // One for each: a run makes as many requests as one caller may within a minute.
      const key = await createKey(gateway);
      const shim = await startShim(`${gateway.url}/demo/mcp/${path}`, { authorization: `Bearer ${key}` });
      shims.push(shim);
      return runSuite(shim.url, client);
    },
    async close() {
      await Promise.all(shims.map((shim) => shim.close()));
      await gateway.stop();
      await Promise.all(Object.values(servers).map((server) => server.close()));
    },
  };
}

const configOf = (servers: readonly (readonly [string, { readonly url: string }])[]) => `
organizations: [{ slug: demo, name: Demo }]
servers:
${servers.map(([key, { url }]) => `  - { key: ${key}, transport: { kind: http, url: '${url}' } }`).join('\n')}
collections:
${serverEras
  .map(
    (era) => `  - organization: demo
    name: ${era}-plain
    allowedRoles: '*'
    names: plain
    bindings: [{ server: ${era} }, { server: ${era}-tasks }]`,
  )
  .join('\n')}
enablements:
${servers.map(([key]) => `  - { organization: demo, server: ${key}, allMembers: true }`).join('\n')}
egress: { allow: ['127.0.0.1'] }
`;

export interface ExpectedFailure extends Partial<Cell> {
  readonly scenario: string;
  /** Why it can't pass there: a sentence. Cells that aren't named are all. */
  readonly reason: string;
}

export function expectationOf(cell: Cell, scenario: string): ExpectedFailure | undefined {
  return expectedFailures.find(
    (expected) =>
      expected.scenario === scenario &&
      (['client', 'server', 'endpoint'] as const).every(
        (key) => expected[key] === undefined || expected[key] === cell[key],
      ),
  );
}

/** What is not as expected: a failure without a reason, or a reason without a failure. One line each. */
export function surprises(cell: Cell, outcomes: readonly ScenarioOutcome[]): readonly string[] {
  return outcomes.flatMap(({ scenario, failed, failures }) => {
    const expected = expectationOf(cell, scenario);
    if (failed > 0 === (expected !== undefined)) return [];
    const why = expected ? 'passes although a failure is expected' : failures.join('; ');
    return [`${nameOf(cell)}: ${scenario}: ${why}`];
  });
}
