import { expect, test } from 'vitest';
import { openCedar } from './cedar.ts';

const engine = openCedar();
const tools = [
  {
    name: 'retrieve',
    inputSchema: { type: 'object', properties: { amount: { type: 'integer' }, city: { type: 'string' } } },
  },
];
const check = (...policies: readonly string[]) =>
  engine.check({ version: '1.0', type: 'cedarv1', cedar: { policies } }, { servers: [{ key: 'files', tools }] });

test('an action that does not exist cannot be saved, and the one that was meant is named', () => {
  const { errors } = check('permit(principal, action == Action::"call_tol", resource);');
  expect(errors).toEqual([expect.stringMatching(/policy0: unrecognized action .*call_tol.*did you mean .*call_tool/)]);
});

test('a misspelt attribute or entity type cannot be saved', () => {
  expect(
    check('permit(principal, action == Action::"call_tool", resource) when { resource.nmae == "x" };').errors,
  ).toEqual([expect.stringMatching(/nmae.*did you mean `name`/)]);
  expect(check('permit(principal, action, resource == Tol::"x");').errors).toEqual([
    expect.stringMatching(/Tol.*Tool/),
  ]);
});

test('an optional attribute without guard is warned of, with the guard', () => {
  const { errors, warnings } = check(
    'permit(principal, action == Action::"call_tool", resource) when { principal.claim_dept == "x" };',
  );
  expect(errors).toEqual([]);
  expect(warnings).toEqual([expect.stringMatching(/policy0: .*optional attribute `claim_dept`.*has/)]);
  const guarded = 'when { principal has claim_dept && principal.claim_dept == "x" };';
  expect(check(`permit(principal, action == Action::"call_tool", resource) ${guarded}`)).toEqual({
    errors: [],
    warnings: [],
  });
});

test('names that nobody has, claims one letter off and forbids that lists slip by are warned of', () => {
  expect(check('permit(principal, action, resource == Tool::"retreive");').warnings).toEqual([
    expect.stringContaining('did you mean "retrieve"'),
  ]);
  expect(check('permit(principal, action, resource in MCP::"file");').warnings).toEqual([
    expect.stringContaining('did you mean "files"'),
  ]);
  const letters = check(
    'permit(principal, action == Action::"call_tool", resource) when { principal has claim_emial };',
  );
  expect(letters.warnings).toEqual([expect.stringContaining('did you mean claim_email')]);
  const slips = check(
    'permit(principal, action, resource);',
    'forbid(principal, action == Action::"call_tool", resource) when { context has arg_amount && context.arg_amount > 5 };',
  );
  expect(slips.warnings).toEqual([expect.stringContaining('arg_amount_present')]);
});

test('arguments have the types of the tools', () => {
  const { warnings } = check(
    'permit(principal, action == Action::"call_tool", resource) when { context has arg_city && context.arg_city > 5 };',
  );
  expect(warnings.join()).toMatch(/expected Long.* but saw String|unexpected type/);
});
