/**
 * Many requests in one (RFC 7644 3.7), in one transaction, so that what is kept in memory is renewed once. Each stands for
 * itself: one that fails undoes nothing of the others.
 */
import { sql } from 'kysely';
import type { PlatformScope } from '#db/scope.ts';
import { limits } from './documents.ts';
import { isResource } from './filter.ts';
import { badSyntax, badValue, errorBody, ScimError } from './scim-error.ts';
import {
  asScimError,
  create,
  createGroups,
  createUsers,
  type Directory,
  type Kind,
  parseGroup,
  parseNewUser,
  patch,
  remove,
  replace,
} from './work.ts';

const bulkUrn = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

interface Operation {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly kind: Kind;
  readonly id: string;
  readonly bulkId: string | undefined;
  readonly data: unknown;
}

interface Outcome {
  readonly operation: Operation;
  readonly id?: string;
  readonly error?: ScimError;
}

export interface BulkResult {
  readonly body: object;
  readonly outcomes: readonly {
    readonly kind: Kind;
    readonly method: string;
    readonly id: string;
    readonly failed: boolean;
  }[];
}

/** Throws ScimError for what is wrong with the request as a whole. */
export async function runBulk(scope: PlatformScope, directory: Directory, body: unknown): Promise<BulkResult> {
  const { operations, failOnErrors } = parseBulk(body);
  const run = new BulkRun(scope, directory, failOnErrors);
  await run.runAll(operations);
  const { base } = directory;
  return {
    body: { schemas: [bulkUrn], Operations: run.outcomes.map((outcome) => shown(outcome, base)) },
    outcomes: run.outcomes.map(({ operation: { kind, method, id }, id: made, error }) => {
      return { kind, method, id: made ?? id, failed: error !== undefined };
    }),
  };
}

function parseBulk(body: unknown) {
  if (!isResource(body) || !Array.isArray(body.Operations)) throw badSyntax('Operations is required: a list');
  const { Operations: list, failOnErrors } = body;
  if (list.length > limits.bulkOperations)
    throw new ScimError(413, `At most ${limits.bulkOperations} operations at once`, 'tooMany');
  if (failOnErrors !== undefined && !(typeof failOnErrors === 'number' && failOnErrors >= 1))
    throw badValue('failOnErrors is a number from 1 on');
  const operations = list.map(parseOperation);
  const ids = operations.flatMap(({ bulkId }) => bulkId ?? []);
  if (new Set(ids).size < ids.length) throw badValue('Each bulkId is used once');
  return { operations, failOnErrors: typeof failOnErrors === 'number' ? failOnErrors : Number.POSITIVE_INFINITY };
}

function parseOperation(given: unknown): Operation {
  if (!isResource(given)) throw badSyntax('An operation is an object');
  const method = String(given.method).toUpperCase();
  const [, kind, id = ''] = /^\/?(Users|Groups)(?:\/([^/?]+))?$/i.exec(String(given.path)) ?? [];
  if (method !== 'POST' && method !== 'PUT' && method !== 'PATCH' && method !== 'DELETE')
    throw badValue('method is POST, PUT, PATCH or DELETE');
  if (kind === undefined || (method === 'POST') !== (id === '')) throw badValue(`The path of a ${method} is wrong`);
  const bulkId = typeof given.bulkId === 'string' ? given.bulkId : undefined;
  if (method === 'POST' && bulkId === undefined) throw badValue('bulkId is required where something is made');
  return { method, kind: /^u/i.test(kind) ? 'Users' : 'Groups', id, bulkId, data: given.data };
}

class BulkRun {
  readonly outcomes: Outcome[] = [];
  readonly #scope: PlatformScope;
  readonly #directory: Directory;
  readonly #failOnErrors: number;
  readonly #made = new Map<string, string>();
  #errors = 0;

  constructor(scope: PlatformScope, directory: Directory, failOnErrors: number) {
    this.#scope = scope;
    this.#directory = directory;
    this.#failOnErrors = failOnErrors;
  }

  /** Whoever refers to something that isn't made yet comes after it. */
  async runAll(operations: readonly Operation[]): Promise<void> {
    let waiting = operations;
    while (waiting.length > 0 && !this.#isOver) {
      const ready = waiting.filter((operation) => this.#isReady(operation));
      if (ready.length === 0) {
        for (const operation of waiting) this.#fail(operation, new ScimError(409, 'A bulkId is made by no operation'));
        return;
      }
      waiting = waiting.filter((operation) => !ready.includes(operation));
      await this.#runReady(ready);
    }
  }

  get #isOver(): boolean {
    return this.#errors >= this.#failOnErrors;
  }

  #isReady({ id, data }: Operation): boolean {
    const wanted = [...`${id} ${JSON.stringify(data ?? null)}`.matchAll(/bulkId:([^"\s\\]+)/g)];
    return wanted.every(([, name = '']) => this.#made.has(name));
  }

  /** What is made, one after the other and of one kind, is made together. */
  async #runReady(ready: readonly Operation[]): Promise<void> {
    for (let at = 0; at < ready.length && !this.#isOver; ) {
      const first = ready[at];
      if (!first) return;
      let end = at + 1;
      if (first.method === 'POST' && this.#failOnErrors === Number.POSITIVE_INFINITY)
        while (ready[end]?.method === 'POST' && ready[end]?.kind === first.kind) end++;
      const operations = ready.slice(at, end);
      if (operations.length === 1) await this.#runOne(first);
      else if (first.kind === 'Users') await this.#makeAll(operations, parseNewUser, createUsers);
      else await this.#makeAll(operations, (_directory, data) => parseGroup(data), createGroups);
      at = end;
    }
  }

  async #makeAll<T>(
    operations: readonly Operation[],
    parse: (directory: Directory, data: unknown) => T,
    make: (
      scope: PlatformScope,
      directory: Directory,
      inputs: readonly T[],
    ) => Promise<readonly ({ readonly id: string } | ScimError)[]>,
  ): Promise<void> {
    const good = operations.flatMap((operation) => {
      try {
        return [{ operation, input: parse(this.#directory, this.#resolved(operation).data) }];
      } catch (thrown) {
        this.#fail(operation, asScimError(thrown));
        return [];
      }
    });
    if (good.length === 0) return;
    const inputs = good.map(({ input }) => input);
    for (const [at, result] of (await make(this.#scope, this.#directory, inputs)).entries()) {
      const operation = good[at]?.operation;
      if (operation && result instanceof ScimError) this.#fail(operation, result);
      else if (operation && !(result instanceof ScimError)) this.#succeed(operation, result.id);
    }
  }

  async #runOne(given: Operation): Promise<void> {
    const { tx } = this.#scope;
    if (isWhole(given)) return this.#runWhole(given);
    await sql`savepoint scim`.execute(tx);
    try {
      const id = await this.#work(this.#resolved(given));
      await sql`release savepoint scim`.execute(tx);
      this.#succeed(given, id);
    } catch (thrown) {
      const error = asScimError(thrown);
      // The whole of it is asked again later: nothing of it is done.
      if (error.status >= 500) throw thrown;
      await sql`rollback to savepoint scim`.execute(tx);
      this.#fail(given, error);
    }
  }

  async #runWhole(given: Operation): Promise<void> {
    try {
      this.#succeed(given, await this.#work(this.#resolved(given)));
    } catch (thrown) {
      const error = asScimError(thrown);
      if (error.status >= 500) throw thrown;
      this.#fail(given, error);
    }
  }

  async #work(operation: Operation): Promise<string> {
    const { method, kind, id, data: body } = operation;
    const named = { kind, id, body };
    if (method === 'POST') return create(this.#scope, this.#directory, { kind, body });
    if (method === 'PUT') await replace(this.#scope, this.#directory, named);
    else if (method === 'PATCH') await patch(this.#scope, this.#directory, named);
    else await remove(this.#scope, this.#directory, named);
    return id;
  }

  #resolved(operation: Operation): Operation {
    if (this.#made.size === 0) return operation;
    const idOf = (text: string) =>
      text.replace(/bulkId:([^"\s\\]+)/g, (whole, name: string) => this.#made.get(name) ?? whole);
    const data: unknown = operation.data === undefined ? undefined : JSON.parse(idOf(JSON.stringify(operation.data)));
    return { ...operation, id: idOf(operation.id), data };
  }

  #succeed(operation: Operation, id: string): void {
    if (operation.bulkId !== undefined) this.#made.set(operation.bulkId, id);
    this.outcomes.push({ operation, id });
  }

  #fail(operation: Operation, error: ScimError): void {
    this.#errors++;
    this.outcomes.push({ operation, error });
  }
}

/** Members added or removed at once: one statement, which does all of it or nothing and breaks no transaction. */
function isWhole({ method, kind, data }: Operation): boolean {
  const operations = method === 'PATCH' && kind === 'Groups' && isResource(data) ? data.Operations : undefined;
  if (!Array.isArray(operations) || operations.length !== 1 || !isResource(operations[0])) return false;
  return (
    operations[0].path === 'members' &&
    /^(?:add|remove)$/i.test(String(operations[0].op)) &&
    operations[0].value !== undefined
  );
}

function shown({ operation: { method, kind, bulkId, id: asked }, id, error }: Outcome, base: string): object {
  const location = id ?? asked;
  return {
    method,
    ...(bulkId !== undefined && { bulkId }),
    ...(location !== '' && { location: `${base}/${kind}/${location}` }),
    status: String(error?.status ?? { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 }[method]),
    ...(error && { response: errorBody(error) }),
  };
}
