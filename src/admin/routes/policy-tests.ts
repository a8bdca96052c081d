/** What sets of policies decide about given requests: for tests of policies before and after they are saved. */
import type { PolicyDecision, PolicyEngine } from '#adapters/policy/policy.ts';
import type { PolicyCase, TestedCase } from '#admin/contract/policies.ts';
import type { Places } from '#admin/policy-places.ts';
import type { SelfRooms } from '#admin/self.ts';
import type { OrgId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { NewPolicy } from '#records/policies.ts';

export type Tested = NewPolicy & { readonly version: number };

interface Testing {
  readonly cases: readonly PolicyCase[];
  readonly places: Places;
}

export function testCases(
  engine: PolicyEngine,
  sets: readonly Tested[],
  { cases, places }: Testing,
): readonly Omit<TestedCase, 'outcome'>[] {
  const judges = sets.map((set) => ({ set, compiled: compileOrClose(engine, set) }));
  return cases.map((one) => {
    const claims = { sub: 'test', ...one.claims };
    const asked = judges
      .filter(({ set }) => concerns(set, one, places))
      .map(({ set: { name, version, mode }, compiled }) => {
        const { allowed, policies, errors } = compiled({ subject: String(claims.sub), claims }, one, places);
        const decision = allowed ? ('permit' as const) : ('deny' as const);
        return { policy: name, version, mode, decision, policies: [...policies], errors: [...errors] };
      });
    const isDenied = asked.some(({ mode, decision }) => mode === 'enforce' && decision === 'deny');
    const decision = isDenied ? ('deny' as const) : ('permit' as const);
    return { name: one.name ?? null, decision, expected: one.expect ?? null, asked };
  });
}

/** The whole decision, in the order of calls: what policies say comes after grants and switches, before limits. */
export async function wholeOf(
  { self, org, places }: { readonly self: SelfRooms | undefined; readonly org: OrgId; readonly places: Places },
  { user, claims, collection, server, action, resource: name }: PolicyCase,
  decision: TestedCase['decision'],
): Promise<TestedCase['outcome']> {
  if (!self) return null;
  const id = places.servers.find(({ key }) => key === server)?.id ?? '';
  const definition = places.tools.get(id)?.find((tool) => tool.name === name);
  const wish = { user, claims, endpoint: collection ?? server, server, action, name, definition };
  const { step: other, by, limit } = await self.judge(org, wish);
  const isByPolicy = decision === 'deny' && (other === undefined || other === 'limit');
  const step = isByPolicy ? 'policy' : (other ?? null);
  return { decision: step === null ? 'permit' : 'deny', step, by: [...by], limit: (isByPolicy ? null : limit) ?? null };
}

interface Caller {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}
export type Question = Pick<PolicyCase, 'action' | 'server' | 'resource' | 'args' | 'annotations'>;

/** Annotations that are not given are those that the tool is known by. */
export function compileOrClose(
  engine: PolicyEngine,
  { config, onError }: Pick<Tested, 'config' | 'onError'>,
): (caller: Caller, asked: Question, places: Places) => PolicyDecision {
  try {
    const set = engine.compile(config, { onError });
    return (caller, asked, places) => {
      const { action, server, resource: name, args } = asked;
      const annotations = (asked.annotations as JsonObject | undefined) ?? knownAnnotations(asked, places);
      return set.forCaller(caller).decide({ action, server, name, args: args as JsonObject | undefined, annotations });
    };
  } catch (thrown) {
    const errors = [thrown instanceof Error ? thrown.message : 'cannot be compiled'];
    return () => ({ allowed: false, policies: [], errors });
  }
}

function knownAnnotations({ server, resource }: Question, { servers, tools }: Places): JsonObject | undefined {
  const id = servers.find(({ key }) => key === server)?.id ?? '';
  const annotations = tools.get(id)?.find(({ name }) => name === resource)?.annotations;
  return typeof annotations === 'object' && annotations !== null && !Array.isArray(annotations)
    ? (annotations as JsonObject)
    : undefined;
}

type Place = Pick<PolicyCase, 'server' | 'collection'>;

/** Whether a set is asked about what is reached there. */
export function concerns(set: Tested, { server, collection }: Place, { servers, collections }: Places): boolean {
  if (set.server !== undefined) return servers.some(({ id, key }) => id === set.server && key === server);
  if (set.collection === undefined) return true;
  return collections.some(({ id, name }) => id === set.collection && name === collection);
}
