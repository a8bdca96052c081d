/** What every policy engine must do, whatever its language: `texts` says the same things in it. */
import { expect, test } from 'vitest';
import type { PolicyEngine, PolicyQuestion } from './policy.ts';

export interface PolicyTexts {
  /** Permits everything. */
  readonly permitAll: string;
  /** Permits the tool `read` to everybody. */
  readonly permitRead: string;
  /** Forbids the tool `read` to whoever has the claim `dept` = `sales`. */
  readonly forbidReadToSales: string;
  /** Permits everything where the argument `amount` is below 100; without it, it cannot be evaluated. */
  readonly permitSmall: string;
  readonly broken: string;
}

const question: PolicyQuestion = {
  ...{ action: 'call_tool', server: 'files', name: 'read' },
  ...{ annotations: undefined, args: undefined },
};

export function policyContract(engine: PolicyEngine, texts: PolicyTexts): void {
  const compile = (lines: readonly string[], onError: 'deny' | 'skip' = 'deny') =>
    engine.compile(engine.configOf(lines.join('\n')), { onError });
  const caller = (claims: Readonly<Record<string, unknown>> = {}) => ({ subject: 'ada', claims });
  const decide = (lines: readonly string[], asked: Partial<PolicyQuestion> = {}, claims = {}) =>
    compile(lines)
      .forCaller(caller(claims))
      .decide({ ...question, ...asked });

  test('what no policy permits is refused', () => {
    expect(decide([texts.permitRead]).allowed).toBe(true);
    expect(decide([texts.permitRead], { name: 'write' })).toEqual({ allowed: false, policies: [], errors: [] });
  });

  test('a forbid beats a permit', () => {
    const both = [texts.permitAll, texts.forbidReadToSales];
    expect(decide(both, {}, { dept: 'sales' }).allowed).toBe(false);
    expect(decide(both, {}, { dept: 'legal' }).allowed).toBe(true);
    expect(decide(both, { name: 'write' }, { dept: 'sales' }).allowed).toBe(true);
  });

  test('what cannot be evaluated refuses, or is skipped where that was chosen', () => {
    const lines = [texts.permitRead, texts.permitSmall];
    const refused = decide(lines);
    expect(refused.allowed).toBe(false);
    expect(refused.errors).toHaveLength(1);
    expect(compile(lines, 'skip').forCaller(caller()).decide(question).allowed).toBe(true);
    expect(decide(lines, { args: { amount: 5 } }).allowed).toBe(true);
  });

  test('policies that cannot be read are told of, and never compiled', () => {
    expect(() => compile([texts.broken])).toThrow();
    expect(() => compile([''])).toThrow();
    expect(() => engine.compile({}, { onError: 'deny' })).toThrow();
    expect(engine.check({}, { servers: [] }).errors).toHaveLength(1);
  });

  test('callers whom the policies cannot tell apart have one key, others have not', () => {
    const set = compile([texts.permitAll, texts.forbidReadToSales]);
    const key = (claims: Readonly<Record<string, unknown>>) => set.forCaller(caller(claims)).key;
    expect(key({ dept: 'sales', iat: 1 })).toBe(key({ dept: 'sales', iat: 2 }));
    expect(key({ dept: 'sales' })).not.toBe(key({ dept: 'legal' }));
    expect(key({})).not.toBe(key({ dept: 'legal' }));
  });

  test('it says whether decisions can depend on arguments', () => {
    const about = { action: 'call_tool', server: 'files' } as const;
    expect(compile([texts.permitRead]).reads(about).arguments).toBe(false);
    expect(compile([texts.permitSmall]).reads(about).arguments).toBe(true);
  });
}
