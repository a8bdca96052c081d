/**
 * The organization's policies, asked: every set that is attached to the organization, the collection or the server must
 * permit. Decisions are kept by what the policies read (SECURITY 3.7): the set's version, what it reads of the caller,
 * the server, the tool and its annotations; never where an argument is read. What cannot be compiled permits nothing.
 */
import { LRUCache } from 'lru-cache';
import type {
  CallerPolicies,
  PolicyCaller,
  PolicyDecision,
  PolicyEngine,
  PolicyQuestion,
  PolicySet,
} from '#adapters/policy/policy.ts';
import { objectIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { PolicyNote } from '#records/call-record.ts';
import type { RightsWish } from '#records/rights.ts';
import type { Endpoint, OrganizationSnapshot, PolicySource } from '#records/snapshot.ts';
import type { Judge, Policies } from './policies.ts';
import { policyCaller } from './policy-caller.ts';

export interface PoliciesDeps {
  readonly engine: Pick<PolicyEngine, 'compile'>;
  readonly log: Log;
}

/** Sets of all organizations; callers of them that can be told apart; decisions about one such caller. */
const MAX_SETS = 20_000;
const MAX_CALLERS = 20_000;
const MAX_DECISIONS = 5000;

/** A set, and what it is called in records. */
interface Attached {
  readonly source: PolicySource;
  readonly label: string;
  readonly set: PolicySet;
}

export function openPolicies({ engine, log }: PoliciesDeps): Policies {
  const sets = new LRUCache<string, PolicySet>({ max: MAX_SETS });
  const attachedOf = new WeakMap<OrganizationSnapshot, readonly Attached[]>();
  const asked = new LRUCache<string, Kept>({ max: MAX_CALLERS });

  function setOf(source: PolicySource, organization: OrganizationSnapshot): PolicySet {
    const key = `${organization.id} ${source.id} ${source.version}`;
    const known = sets.get(key);
    if (known) return known;
    const made = compile(engine, source, (error) =>
      log.error(
        { org: organization.id, policy: source.name, version: source.version, err: error },
        'policies cannot be compiled: what they are attached to is closed',
      ),
    );
    sets.set(key, made);
    return made;
  }

  function attached(organization: OrganizationSnapshot): readonly Attached[] {
    const known = attachedOf.get(organization);
    if (known) return known;
    const made = organization.policies.map((source) => ({
      source,
      label: `${source.name}@${source.version}`,
      set: setOf(source, organization),
    }));
    attachedOf.set(organization, made);
    return made;
  }

  function askedBy(caller: PolicyCaller, { source, label, set }: Attached, organization: OrganizationSnapshot): Kept {
    const one = set.forCaller(caller);
    const key = `${organization.id} ${source.id} ${source.version} ${one.key}`;
    const known = asked.get(key);
    if (known) return known;
    const made = { key, source, label, set, caller: one, decisions: new Map<string, PolicyDecision>() };
    asked.set(key, made);
    return made;
  }

  return {
    keyOf(organization, reach) {
      if (organization.policies.length === 0) return '';
      const caller = policyCaller(organization, reach);
      return JSON.stringify(attached(organization).map((one) => askedBy(caller, one, organization).key));
    },
    judgeOf(organization, endpoint, reach) {
      if (organization.policies.length === 0) return undefined;
      const concerning = attached(organization).filter(({ source }) => concerns(source, endpoint));
      if (concerning.length === 0) return undefined;
      const caller = policyCaller(organization, reach);
      return judgeFor(
        concerning.map((one) => askedBy(caller, one, organization)),
        log,
      );
    },
  };
}

function concerns({ target }: PolicySource, { id, kind, bindings }: Endpoint): boolean {
  if (target.kind === 'organization') return true;
  if (target.kind === 'collection') return kind === 'collection' && target.id === id;
  return bindings.some(({ server }) => server.id === target.id);
}

interface Kept {
  readonly key: string;
  readonly source: PolicySource;
  readonly label: string;
  readonly set: PolicySet;
  readonly caller: CallerPolicies;
  readonly decisions: Map<string, PolicyDecision>;
}

function compile(
  engine: PoliciesDeps['engine'],
  { config, onError }: PolicySource,
  onFailed: (error: unknown) => void,
): PolicySet {
  try {
    return engine.compile(config, { onError });
  } catch (error) {
    onFailed(error);
    const refusal = { allowed: false, policies: [], errors: ['the policies cannot be compiled'] };
    return {
      reads: () => ({ arguments: false, annotations: false }),
      forCaller: () => ({ key: 'closed', decide: () => refusal }),
    };
  }
}

function judgeFor(sets: readonly Kept[], log: Log): Judge {
  return {
    key: JSON.stringify(sets.map(({ key }) => key)),
    isEnforced: sets.some(({ source }) => source.mode === 'enforce'),
    permits(wish) {
      const { binding } = wish;
      const decided = sets
        .filter(({ source: { target } }) => target.kind !== 'server' || target.id === binding.server.id)
        .map((one) => ({ one, decision: decide(one, wish) }));
      const refusing = decided.filter(({ decision }) => !decision.allowed);
      const isRefused = refusing.some(({ one }) => one.source.mode === 'enforce');
      if (wish.args === undefined || decided.length === 0) return !isRefused;
      const outcome = isRefused ? 'deny' : refusing.length > 0 ? 'would_deny' : 'permit';
      const note = noteOf(outcome, outcome === 'permit' ? decided : refusing, decided);
      if (outcome === 'would_deny')
        log.warn(
          { server: binding.server.key, action: wish.action, name: wish.name, policy: note },
          'would be refused',
        );
      wish.tell?.(note);
      return !isRefused;
    },
  };
}

interface Decided {
  readonly one: Kept;
  readonly decision: PolicyDecision;
}

function noteOf(outcome: PolicyNote['outcome'], deciding: readonly Decided[], all: readonly Decided[]): PolicyNote {
  return {
    outcome,
    sets: all.map(({ one }) => one.label),
    policies: deciding.flatMap(({ one, decision }) => decision.policies.map((id) => `${one.source.name}:${id}`)),
    errors: all.flatMap(({ one, decision }) => decision.errors.map((error) => `${one.source.name}: ${error}`)),
  };
}

const refuse = (error: string): PolicyDecision => ({ allowed: false, policies: [], errors: [error] });

function decide({ set, caller, decisions }: Kept, wish: RightsWish): PolicyDecision {
  const question = questionOf(wish);
  if (!question) return refuse(`there is no word for ${wish.action}`);
  const { action, server, name, args } = question;
  if (action === 'read_resource' && !isPlainUri(name))
    return refuse('the URI has a form that servers read differently');
  const reads = set.reads(question);
  // A tool that nobody has described may be anything.
  if (reads.annotations && !wish.definition)
    return refuse('the tool is not known, and policies ask for its annotations');
  if (reads.arguments && args !== undefined) return caller.decide(question);
  const read = reads.annotations ? JSON.stringify(question.annotations ?? null) : '';
  const key = JSON.stringify([action, server, name, read]);
  const known = decisions.get(key);
  if (known) return known;
  const decision = caller.decide(question);
  if (decisions.size >= MAX_DECISIONS) decisions.clear();
  decisions.set(key, decision);
  return decision;
}

function questionOf({ action, binding, name, definition, args }: RightsWish): PolicyQuestion | undefined {
  if (action === 'complete') return undefined;
  return { action, server: binding.server.key, name, args, annotations: objectIn(definition, 'annotations') };
}

/** Policies compare URIs as they are written: one that can be written otherwise slips by them (SECURITY D8). */
function isPlainUri(uri: string): boolean {
  const [, scheme = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri) ?? [];
  if (scheme !== scheme.toLowerCase()) return false;
  return !/(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\?#]|%2f|%5c)|\\|%00|\p{Cc}/iu.test(uri);
}
