/** What a policy looks at, read from its parsed form: nothing else is handed to Cedar, and decisions are kept by it. */
import type { EntityUidJson, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { uidText } from './config.ts';

/** `all`: a variable is used as a whole, so anything of it may matter. */
export interface Reads {
  readonly principal: Names;
  readonly context: Names;
  readonly resource: Names;
  readonly action: boolean;
  /** Entities that are named, `Type::id`. */
  readonly entities: ReadonlySet<string>;
}

export interface Names {
  readonly all: boolean;
  readonly names: ReadonlySet<string>;
}

type Variable = 'principal' | 'context' | 'resource' | 'action';

class Reader {
  readonly names = { principal: new Set<string>(), context: new Set<string>(), resource: new Set<string>() };
  readonly whole = new Set<Variable>();
  readonly entities = new Set<string>();
  action = false;

  scope({ principal, action, resource }: PolicyJson): void {
    for (const constraint of [principal, action, resource]) this.#entitiesIn(constraint);
  }

  /** Every entity that is named anywhere in it. */
  #entitiesIn(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if (isUid(value)) this.entities.add(uidText(value));
    else for (const inner of Object.values(value)) this.#entitiesIn(inner);
  }

  expression(expr: unknown): void {
    if (typeof expr !== 'object' || expr === null) return;
    if (Array.isArray(expr)) {
      for (const item of expr) this.expression(item);
      return;
    }
    for (const [operator, operand] of Object.entries(expr)) this.#operation(operator, operand);
  }

  #operation(operator: string, operand: unknown): void {
    if (operator === 'Var') {
      this.#useWhole(operand);
    } else if (operator === 'Value') {
      this.#entitiesIn(operand);
    } else if ((operator === '.' || operator === 'has') && isAccess(operand)) {
      const variable = variableOf(operand.left);
      const [first = ''] = [operand.attr].flat();
      if (variable === undefined) this.expression(operand.left);
      else this.#useName(variable, first);
    } else if (operator === 'is' && isRecord(operand)) {
      if (!isEntity(variableOf(operand.left))) this.expression(operand.left);
      this.expression(operand.in);
    } else if (comparisons.has(operator) && isRecord(operand)) {
      // Which entity it is, not what it has: that is always told.
      for (const side of [operand.left, operand.right]) if (!isEntity(variableOf(side))) this.expression(side);
    } else {
      this.#inside(operand);
    }
  }

  /** Operands are lists, records of expressions, or an expression; literals in between are harmless. */
  #inside(operand: unknown): void {
    if (Array.isArray(operand)) for (const item of operand) this.expression(item);
    else if (isRecord(operand)) for (const item of Object.values(operand)) this.expression(item);
  }

  #useName(variable: Variable, name: string): void {
    if (variable === 'action') this.action = true;
    else this.names[variable].add(name);
  }

  #useWhole(operand: unknown): void {
    if (isVariable(operand)) this.whole.add(operand);
    if (operand === 'action') this.action = true;
  }
}

const comparisons: ReadonlySet<string> = new Set(['==', '!=', 'in']);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isUid = (value: object): value is EntityUidJson & object =>
  'type' in value && 'id' in value && typeof value.type === 'string' && typeof value.id === 'string';
const isVariable = (value: unknown): value is Variable =>
  value === 'principal' || value === 'context' || value === 'resource' || value === 'action';
/** `context` is a record: comparing it reads all of it. */
const isEntity = (variable: Variable | undefined): boolean => variable !== undefined && variable !== 'context';
const isAccess = (value: unknown): value is { readonly left: Expr; readonly attr: string | readonly string[] } =>
  isRecord(value) && 'left' in value && 'attr' in value;
const variableOf = (value: unknown): Variable | undefined =>
  isRecord(value) && isVariable(value.Var) ? value.Var : undefined;

/** Of several policies together. */
export function readsOf(policies: readonly PolicyJson[]): Reads {
  const reader = new Reader();
  for (const policy of policies) {
    reader.scope(policy);
    for (const { body } of policy.conditions) reader.expression(body);
  }
  const { names, whole, entities, action } = reader;
  return {
    principal: { all: whole.has('principal'), names: names.principal },
    context: { all: whole.has('context'), names: names.context },
    resource: { all: whole.has('resource'), names: names.resource },
    action,
    entities,
  };
}

export const looksAt = ({ all, names }: Names, name: string): boolean => all || names.has(name);
