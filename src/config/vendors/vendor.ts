import type { Env } from '#config/environment.ts';
import { settingError } from '#core/error.ts';

/** An identity provider that a few variables are enough for. */
export interface Vendor {
  /** An entry of this kind in the file counts instead. */
  readonly kind: string;
  /** Required together as soon as one of them is set (DESIGN ruling 14); any of them means: not the demo. */
  readonly names: readonly string[];
  /** Mean nothing without those. */
  readonly optional?: readonly string[];
  /** Only called with all of them set. Throws GatehouseError `setting`. */
  entry(env: Env): Readonly<Record<string, unknown>>;
  /** Its people are members of the file's one organization, or, where the file has none, of one named `default`. */
  readonly binds?: true;
}

/** Any of its variables is set. */
export function isNamed({ names, optional = [] }: Vendor, env: Env): boolean {
  return [...names, ...optional].some((name) => env[name] !== undefined);
}

/** Throws GatehouseError `setting`. */
export function entryOf(vendor: Vendor, env: Env): Readonly<Record<string, unknown>> | undefined {
  const { kind, names } = vendor;
  if (!isNamed(vendor, env)) return undefined;
  const missing = names.find((name) => env[name] === undefined);
  if (missing) throw settingError(`${missing} environment variable is required`);
  return { kind, ...vendor.entry(env) };
}
