/** A caller as Cedar's principal, exactly as ToolHive has it (REQUIREMENTS S2.18, S2.22): only what the policies look at. */
import type { CedarValueJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyCaller } from '#adapters/policy/policy.ts';
import type { CedarConfig } from './config.ts';
import { looksAt, type Names, type Reads } from './reads.ts';
import { readClaim, unreadable } from './values.ts';

export interface Client {
  readonly uid: TypeAndId;
  readonly attrs: Readonly<Record<string, CedarValueJson>>;
  readonly parents: readonly TypeAndId[];
  /** `claim_*` of the context. */
  readonly context: Readonly<Record<string, CedarValueJson>>;
  /** Claims that the policies look at and that Cedar cannot be told: whatever depends on them is refused. */
  readonly unreadable: readonly string[];
}

const defaultGroupClaims = ['groups', 'roles', 'cognito:groups'];

export function clientOf(caller: PolicyCaller, config: CedarConfig, reads: Reads): Client {
  const broken = new Set<string>();
  const claims = { claims: caller.claims, config, broken };
  return {
    uid: { type: 'Client', id: caller.subject },
    attrs: attributesFor(reads.principal, claims),
    context: attributesFor(reads.context, claims),
    parents: parentsOf(caller, config, reads),
    unreadable: caller.subject.isWellFormed() && caller.subject !== '' ? [...broken] : ['sub', ...broken],
  };
}

interface Claims {
  readonly claims: PolicyCaller['claims'];
  readonly config: CedarConfig;
  readonly broken: Set<string>;
}

function attributesFor(wanted: Names, { claims, config, broken }: Claims): Record<string, CedarValueJson> {
  const attributes: Record<string, CedarValueJson> = {};
  const put = (name: string, value: unknown) => {
    const read = readClaim(value);
    if (read === unreadable) broken.add(name);
    else if (read !== undefined) attributes[name] = read;
  };
  for (const claim of namesIn(wanted, claims)) {
    const isMultiple = config.multiValued.includes(claim);
    const value = claims[claim];
    if (looksAt(wanted, `claim_${claim}`)) put(`claim_${claim}`, isMultiple ? joined(value) : value);
    if (isMultiple && looksAt(wanted, `claimset_${claim}`)) put(`claimset_${claim}`, elements(value));
  }
  return attributes;
}

/** Claims that there are and that are looked at. */
function namesIn({ all, names }: Names, claims: PolicyCaller['claims']): readonly string[] {
  if (all) return Object.keys(claims);
  const asked = [...names].flatMap((name) => {
    const [, claim] = /^claim(?:set)?_(.*)$/s.exec(name) ?? [];
    return claim === undefined || !Object.hasOwn(claims, claim) ? [] : [claim];
  });
  return [...new Set(asked)];
}

/** One text, whether it came as text or as a list; its spacing is kept. */
function joined(value: unknown): unknown {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string').join(' ') : value;
}

function elements(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
  return typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : undefined;
}

/** Groups that no policy names decide nothing, unless entities of the configuration lead from one to another. */
function parentsOf({ claims }: PolicyCaller, config: CedarConfig, { entities }: Reads): readonly TypeAndId[] {
  const { groupType: type } = config;
  const isOpen = config.entities.length > 0;
  return groupsOf(claims, config).flatMap((id) =>
    id.isWellFormed() && (isOpen || entities.has(`${type}::${id}`)) ? [{ type, id }] : [],
  );
}

/** A claim that is there and empty is an answer: no other claim is asked then. */
export function groupsOf(claims: PolicyCaller['claims'], config: CedarConfig): readonly string[] {
  const names = config.groupClaim === undefined ? defaultGroupClaims : [config.groupClaim, ...defaultGroupClaims];
  let groups: readonly string[] = [];
  for (const name of names) {
    const found = listIn(claims, name);
    if (!found) continue;
    groups = found;
    break;
  }
  const roles = config.roleClaim === undefined ? [] : (listIn(claims, config.roleClaim) ?? []);
  return [...new Set([...groups, ...roles])];
}

/** undefined: there is no such claim, or it is no list. */
function listIn(claims: PolicyCaller['claims'], path: string): readonly string[] | undefined {
  const value = claimAt(claims, path);
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined;
}

/** A claim of that very name (they may be URLs) before a path into it. */
function claimAt(claims: PolicyCaller['claims'], path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  if (!path.includes('.')) return undefined;
  return path.split('.').reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    return (value as Readonly<Record<string, unknown>>)[key];
  }, claims);
}
