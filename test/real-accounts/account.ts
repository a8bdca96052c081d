/** A real account at a vendor, looked at when its variables are set. One file per vendor, all of this shape. */
import type { IdentityDeps } from '#adapters/identity/identity.ts';

export type AccountEnv = Readonly<Record<string, string>>;

export interface AccountCheck {
  readonly title: string;
  /** Throws where the vendor isn't as the emulator says. Undefined: done; a sentence: skipped, and why. */
  run(): Promise<string | undefined>;
}

export interface Account {
  readonly vendor: string;
  /** Without all of them the vendor is skipped. */
  readonly variables: readonly string[];
  checks(env: AccountEnv, deps: IdentityDeps): readonly AccountCheck[] | Promise<readonly AccountCheck[]>;
}

/** The code of the error that the work ends with; throws where it ends well. */
export async function codeOf(work: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error.code;
    throw error;
  }
  throw new Error('it was accepted');
}

export function expectSame(found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`expected ${String(wanted)}, found ${String(found)}`);
}
