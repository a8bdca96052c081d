/**
 * An adapter is one object; a registry of them yields the configuration union, the opener and the list for docs.
 * Adding one touches its folder and one line of its port's index.
 */
import { z } from 'zod';
import { GatehouseError } from './error.ts';

export interface Adapter<Kind extends string, Config extends z.ZodObject, Deps, Port> {
  readonly kind: Kind;
  readonly title: string;
  /** Without `kind`: the registry adds it. */
  readonly config: Config;
  open(config: z.output<Config>, deps: Deps): Promise<Port> | Port;
}

export interface AdapterRegistry<Deps, Port> {
  /** `config`: its schema without `kind`. */
  readonly list: readonly { readonly kind: string; readonly title: string; readonly config: z.ZodObject }[];
  /** `{kind, …}` of any registered adapter; anything else is refused with the known kinds named. */
  readonly config: z.ZodType<{ readonly kind: string }>;
  /** Checks the configuration against the adapter's schema. Throws GatehouseError `setting`. */
  open(config: { readonly kind: string }, deps: Deps): Promise<Port>;
}

export function adapterRegistry<Deps, Port>(
  adapters: readonly Adapter<string, z.ZodObject, Deps, Port>[],
): AdapterRegistry<Deps, Port> {
  const byKind = new Map(adapters.map((adapter) => [adapter.kind, adapter]));
  const config = z.looseObject({ kind: z.enum(adapters.map((a) => a.kind) as [string, ...string[]]) });
  return {
    list: adapters.map(({ kind, title, config }) => ({ kind, title, config })),
    config: config.transform((value, context) => {
      const { kind, ...rest } = value;
      const parsed = byKind.get(kind)?.config.safeParse(rest);
      if (parsed?.success) return { kind, ...(parsed.data as object) };
      for (const issue of parsed?.error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' });
      return z.NEVER;
    }),
    async open(value, deps) {
      const adapter = byKind.get(value.kind);
      if (!adapter) throw new GatehouseError('setting', { message: `Unknown kind "${value.kind}"` });
      const { kind, ...rest } = value;
      const parsed = adapter.config.safeParse(rest);
      if (parsed.success) return adapter.open(parsed.data, deps);
      // The schema's words only: a value may be a secret.
      const [issue] = parsed.error.issues;
      const place = [kind, ...(issue?.path ?? [])].join('.');
      throw new GatehouseError('setting', { message: `${place} is wrong: ${issue?.message ?? 'correct it'}` });
    },
  };
}
