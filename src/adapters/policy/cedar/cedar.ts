/**
 * Cedar with ToolHive's entity model (REQUIREMENTS S2.17 to S2.24): who calls is `Client::"<sub>"` with a `claim_` for each
 * claim, what is called lies in `MCP::"<server>"`, arguments are `arg_`. Forbid beats permit, nothing is permitted by
 * default, and what goes wrong refuses.
 */
import type { AuthorizationAnswer, CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import { z } from 'zod';
import type {
  PolicyCaller,
  PolicyDecision,
  PolicyDeps,
  PolicyEngine,
  PolicyQuestion,
  PolicySet,
} from '#adapters/policy/policy.ts';
import type { Adapter } from '#core/adapter.ts';
import { type Client, clientOf } from './caller.ts';
import { checkConfig } from './check.ts';
import { type CedarConfig, parseCedarConfig, splitPolicies, uidText } from './config.ts';
import { parsePolicies } from './parse.ts';
import { actionEntity, readQuestion } from './question.ts';
import type { Reads } from './reads.ts';
import { type Slice, slicesOf } from './slices.ts';
import { openSlots, type Slots } from './slots.ts';
import { cedar } from './wasm.ts';

const config = z.object({});

export const cedarPolicies: Adapter<'cedar', typeof config, PolicyDeps, PolicyEngine> = {
  kind: 'cedar',
  title: 'Cedar',
  config,
  open: () => openCedar(),
};

export function openCedar(slots: Slots = openSlots()): PolicyEngine {
  return {
    compile: (value, { onError }) => compile(parseCedarConfig(value), { slots, skips: onError === 'skip' }),
    check: checkConfig,
    configOf: splitPolicies,
  };
}

interface Way {
  readonly slots: Slots;
  readonly skips: boolean;
}

function compile(parsed: CedarConfig, way: Way): PolicySet {
  const policies = parsePolicies(parsed);
  const { whole, of: sliceOf } = slicesOf(policies, parsed.entities.length > 0);
  return {
    reads(about) {
      const { readsArguments, readsAnnotations } = sliceOf(about);
      return { arguments: readsArguments, annotations: readsAnnotations && about.action === 'call_tool' };
    },
    forCaller(caller) {
      const key = keyOf(caller, clientOf(caller, parsed, whole.reads), { parsed, reads: whole.reads });
      const clients = new Map<Slice, Client>();
      return {
        key,
        decide(question) {
          const slice = sliceOf(question);
          const client = clients.get(slice) ?? clientOf(caller, parsed, slice.reads);
          clients.set(slice, client);
          return decide({ slice, client, question, parsed }, way);
        },
      };
    },
  };
}

/** Who it is counts only where a policy can name somebody. */
function keyOf(
  { subject }: PolicyCaller,
  client: Client,
  { parsed, reads }: { readonly parsed: CedarConfig; readonly reads: Reads },
): string {
  const isNamed = parsed.entities.length > 0 || reads.entities.has(uidText(client.uid));
  const { attrs, context, parents, unreadable } = client;
  return JSON.stringify([isNamed ? subject : null, attrs, context, parents.map(uidText), unreadable]);
}

interface Deciding {
  readonly slice: Slice;
  readonly client: Client;
  readonly question: PolicyQuestion;
  readonly parsed: CedarConfig;
}

function decide(deciding: Deciding, way: Way): PolicyDecision {
  try {
    return answerOf(deciding, way);
  } catch (thrown) {
    return refused([thrown instanceof Error ? thrown.message : 'The policies could not be asked']);
  }
}

const refused = (errors: readonly string[]): PolicyDecision => ({ allowed: false, policies: [], errors });

function answerOf({ slice, client, question, parsed }: Deciding, { slots, skips }: Way): PolicyDecision {
  const { reads } = slice;
  const { resource, context, unreadable } = readQuestion(question, reads);
  const unclear = [...client.unreadable, ...unreadable];
  if (unclear.length > 0) return refused(unclear.map((name) => `${name} cannot be told to the policies as it is`));
  if (Object.keys(slice.policies).length === 0) return refused([]);
  const principal = { ...client.uid };
  const action: TypeAndId = { type: 'Action', id: question.action };
  const entities = [
    entity(principal, client.attrs, client.parents),
    entity(resource.uid, resource.attrs, [{ type: 'MCP', id: question.server }]),
    ...(reads.action ? [actionEntity(question.action)] : []),
  ];
  const own = new Set(entities.map(({ uid }) => uidText(uid)));
  const answer = cedar().statefulIsAuthorized({
    ...{ principal, action, resource: resource.uid },
    context: { ...client.context, ...context },
    // Of an entity that is in both, the request's stands.
    entities: [...entities, ...parsed.entities.filter(({ uid }) => !own.has(uidText(uid)))],
    preparsedPolicySetId: slots.nameOf(slice),
  });
  return decisionOf(answer, skips);
}

function decisionOf(answer: AuthorizationAnswer, skips: boolean): PolicyDecision {
  if (answer.type === 'failure') return refused(answer.errors.map(({ message }) => message));
  const { decision, diagnostics } = answer.response;
  const errors = diagnostics.errors.map(({ error }) => error.message);
  const allowed = decision === 'allow' && (skips || errors.length === 0);
  return { allowed, policies: diagnostics.reason, errors };
}

const entity = (
  uid: TypeAndId,
  attrs: Readonly<Record<string, CedarValueJson>>,
  parents: readonly TypeAndId[],
): EntityJson => ({ uid, attrs: { ...attrs }, parents: [...parents] });
