/** A collection as it is edited: what is saved replaces it as a whole, credentials that are not typed anew stay. */
import type { RouteInput, RouteOutput } from '#portal/api/client.ts';

export type Collection = RouteOutput<'getCollection'>;
type SavedBinding = RouteInput<'updateCollection'>['bindings'][number];
export type Tools = NonNullable<SavedBinding['tools']>;

export interface Draft {
  readonly allowedRoles: '*' | readonly string[];
  readonly names: Collection['names'];
  readonly mode: Collection['mode'];
  readonly tokenBudget: number;
  readonly bindings: readonly BindingDraft[];
}

export interface BindingDraft {
  readonly server: string;
  readonly partition: string;
  /** What it has now, with this partition. */
  readonly saved: { readonly partition: string; readonly hasCredential: boolean };
  /** Typed anew; '': what it has stays. */
  readonly credential: string;
  readonly withoutCredential: boolean;
  readonly header: { readonly name: string; readonly template: string };
  /** null: the server's key. */
  readonly prefix: string | null;
  readonly enforced: Collection['bindings'][number]['enforced'];
  readonly tools: Tools;
}

export const newBinding = (server: string): BindingDraft => ({
  ...{
    server,
    partition: '',
    saved: { partition: '', hasCredential: false },
    credential: '',
    withoutCredential: false,
  },
  ...{ header: { name: 'Authorization', template: 'Bearer {}' }, prefix: null, enforced: {}, tools: {} },
});

export const draftOf = ({ allowedRoles, names, mode, tokenBudget, bindings }: Collection): Draft => ({
  ...{ allowedRoles, names, mode, tokenBudget },
  bindings: bindings.map(({ server, partition, hasCredential, prefix, enforced, tools }) => ({
    ...newBinding(server),
    ...{ partition: partition ?? '', saved: { partition: partition ?? '', hasCredential }, prefix, enforced },
    // The gateway checked it when it was saved.
    tools: tools as Tools,
  })),
});

export const savedOf = ({ allowedRoles, bindings, ...listing }: Draft) => ({
  ...listing,
  allowedRoles: allowedRoles === '*' ? ('*' as const) : [...allowedRoles],
  bindings: bindings.map(
    ({ server, partition, saved, credential, withoutCredential, header, prefix, enforced, tools }) => ({
      ...{ server, enforced, tools: withoutEmpty(tools) },
      ...(partition !== '' && { partition }),
      ...(prefix !== null && { prefix }),
      ...(credential !== '' && { credential, header }),
      keepCredential: credential === '' && saved.hasCredential && !withoutCredential && partition === saved.partition,
    }),
  ),
});

/** Nothing said is not the same as nothing allowed: `choose` stays even where it is empty. */
export function withoutEmpty({ choose, ...tools }: Tools): Tools {
  const kept = Object.entries(tools).filter(
    ([, value]) => typeof value !== 'object' || Object.keys(value ?? {}).length > 0,
  );
  return { ...(Object.fromEntries(kept) as Tools), ...(choose && { choose }) };
}

/** Whether a tool is published. */
export const isPublished = ({ choose, hide }: Tools, tool: string): boolean =>
  (choose === undefined || choose.includes(tool)) && !(hide ?? []).includes(tool);

/** Once somebody chooses, what comes later waits to be chosen too. */
export function publish(tools: Tools, all: readonly string[], change: ReadonlyMap<string, boolean>): Tools {
  const now = all.filter((tool) => change.get(tool) ?? isPublished(tools, tool));
  const { hide: _, choose: __, ...rest } = tools;
  return now.length === all.length ? rest : { ...rest, choose: now };
}

export function rename(
  tools: Tools,
  tool: string,
  said: { readonly name?: string; readonly description?: string },
): Tools {
  const { [tool]: before, ...others } = tools.rename ?? {};
  const now = Object.fromEntries(
    Object.entries({ ...before, ...said }).filter(([, value]) => value !== '' && value !== undefined),
  );
  return { ...tools, rename: Object.keys(now).length === 0 ? others : { ...others, [tool]: now } };
}

type Rules = NonNullable<Tools['arguments']>[string];

export function setRules(tools: Tools, tool: string, rules: Rules): Tools {
  const { [tool]: _, ...others } = tools.arguments ?? {};
  return { ...tools, arguments: Object.keys(rules).length === 0 ? others : { ...others, [tool]: rules } };
}
export type { Rules };
