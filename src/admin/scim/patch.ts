/** PATCH (RFC 7644 3.5.2) as clients send it: Entra's capitals, texts for booleans and values without a path; Okta's lists. */
import { ScimError as PatchError, type ScimPatchOperation, scimPatch } from 'scim-patch';
import { enterpriseUrn, keptAttributes, userUrn } from './documents.ts';
import { isResource, parseFilter, plainPath } from './filter.ts';
import { badPath, badSyntax, badValue, ScimError } from './scim-error.ts';

export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string | undefined;
  readonly value: unknown;
}

const maxOperations = 1000;

/** One operation for each attribute: values without a path are taken apart. Throws ScimError. */
export function parsePatch(body: unknown): readonly PatchOperation[] {
  const operations = isResource(body) ? (body.Operations ?? body.operations) : undefined;
  if (!Array.isArray(operations) || operations.length === 0) throw badSyntax('Operations is required: a list');
  if (operations.length > maxOperations) throw new ScimError(413, `At most ${maxOperations} operations at once`);
  return operations.flatMap((operation) => {
    if (!isResource(operation)) throw badSyntax('An operation is an object');
    const op = String(operation.op).toLowerCase();
    if (op !== 'add' && op !== 'remove' && op !== 'replace') throw badSyntax('op is add, remove or replace');
    const { path, value } = operation;
    if (path !== undefined && path !== null && typeof path !== 'string') throw badPath('path is a text');
    if (path) return [{ op, path: checkedPath(path), value }];
    if (op === 'remove') throw new ScimError(400, 'A removal needs a path', 'noTarget');
    if (!isResource(value)) throw badValue('Without a path the value is an object');
    return Object.entries(value).flatMap(([name, part]) =>
      ignored.has(name.toLowerCase()) ? [] : [{ op, path: checkedPath(name), value: part }],
    );
  });
}

const ignored: ReadonlySet<string> = new Set(['schemas', 'id', 'meta']);

/** Names of JavaScript's own are nobody's attributes. */
function checkedPath(path: string): string {
  if (path.length > 1000 || /__proto__|\bconstructor\b|\bprototype\b/i.test(path))
    throw badPath('There is no such attribute');
  return path;
}

const writableNames: ReadonlyMap<string, string> = new Map([
  ...keptAttributes,
  ...['userName', 'externalId', 'active'].map((name) => [name.toLowerCase(), name] as const),
]);

/** The attribute's name as it is kept; the rest of the path as it was given. Throws ScimError. */
function userPath(path: string): string {
  const core = path.toLowerCase().startsWith(`${userUrn.toLowerCase()}:`) ? path.slice(userUrn.length + 1) : path;
  const enterprise = enterpriseUrn.toLowerCase();
  if (core.toLowerCase() === enterprise) return core;
  if (core.toLowerCase().startsWith(`${enterprise}:`)) return `${enterpriseUrn}:${core.slice(enterprise.length + 1)}`;
  const [first = ''] = /^[^.[\s]+/.exec(core) ?? [];
  const name = writableNames.get(first.toLowerCase());
  if (name === undefined) throw badPath(`There is no attribute ${first.slice(0, 100)} that could be written`);
  return name + core.slice(first.length);
}

/** The document changed. Throws ScimError. */
export function patchUser(document: Record<string, unknown>, body: unknown): Record<string, unknown> {
  let patched = document;
  for (const operation of parsePatch(body)) patched = applyOne(patched, operation);
  return patched;
}

function applyOne(
  document: Record<string, unknown>,
  { op, path = '', value }: PatchOperation,
): Record<string, unknown> {
  const at = userPath(path);
  if (at.toLowerCase() === enterpriseUrn.toLowerCase()) {
    const before = document[enterpriseUrn];
    if (op === 'remove') return { ...document, [enterpriseUrn]: undefined };
    if (!isResource(value)) throw badValue('The value is an object');
    return { ...document, [enterpriseUrn]: { ...(isResource(before) ? before : {}), ...value } };
  }
  if (at === 'roles' && op !== 'remove' && !Array.isArray(value))
    return applyOne(document, { op, path, value: [value] });
  if (op === 'replace' && /^\w+$/.test(at)) {
    const before = document[at];
    const merged = isResource(before) && isResource(value) ? { ...before, ...value } : value;
    return { ...document, [at]: merged };
  }
  const resource = {
    schemas: [userUrn],
    meta: { resourceType: 'User', created: new Date(0), lastModified: new Date(0), location: '' },
    ...document,
  };
  const operation = { op, path: at, ...(value !== undefined && { value }) } as ScimPatchOperation;
  try {
    const {
      schemas: _schemas,
      meta: _meta,
      ...rest
    } = scimPatch(resource, [operation], { mutateDocument: false, treatMissingAsAdd: true });
    return rest;
  } catch (error) {
    if (error instanceof PatchError) {
      const isTarget = error.constructor.name === 'NoTarget';
      throw new ScimError(400, error.message.slice(0, 300), isTarget ? 'noTarget' : 'invalidPath');
    }
    throw badPath('The path cannot be applied');
  }
}

export interface GroupPatch {
  readonly displayName?: string;
  /** null: none any more. */
  readonly externalId?: string | null;
  /** In this order. */
  readonly members: readonly { readonly how: 'add' | 'remove' | 'set'; readonly ids: readonly string[] }[];
}

/** Throws ScimError. */
export function parseGroupPatch(body: unknown): GroupPatch {
  const members: { how: 'add' | 'remove' | 'set'; ids: readonly string[] }[] = [];
  let names: Pick<GroupPatch, 'displayName' | 'externalId'> = {};
  for (const { op, path = '', value } of parsePatch(body)) {
    const at = plainPath(path);
    const selected = /^members\[(.+)\]$/is.exec(path.replace(/^urn:[^[]+:Group:/i, ''));
    if (selected?.[1] !== undefined) {
      if (op !== 'remove') throw badPath('Members are added and removed, not changed');
      members.push({ how: 'remove', ids: selectedIds(selected[1]) });
    } else if (at === 'members') members.push(memberChange(op, value));
    else if (at === 'displayname' && op !== 'remove') names = { ...names, displayName: textOf(value, 'displayName') };
    else if (at === 'externalid')
      names = { ...names, externalId: op === 'remove' ? null : textOf(value, 'externalId') };
    else throw badPath(`There is no attribute ${path.slice(0, 100)} that could be changed so`);
  }
  return { ...names, members };
}

function memberChange(op: PatchOperation['op'], value: unknown): GroupPatch['members'][number] {
  if (op === 'replace') return { how: 'set', ids: memberIds(value) };
  if (op === 'remove' && (value === undefined || value === null)) return { how: 'set', ids: [] };
  return { how: op, ids: memberIds(value) };
}

/** Only by id: `members[value eq "…"]`, joined by `or`. */
function selectedIds(text: string): readonly string[] {
  parseFilter(text);
  const parts = text.split(/\s+or\s+/i).map((part) => /^\s*value\s+eq\s+"([^"]+)"\s*$/i.exec(part)?.[1]);
  return parts.map((id) => {
    if (id === undefined) throw badPath('Members are found by their value only');
    return id;
  });
}

/** A list of objects, one object, or their ids alone. Throws ScimError. */
export function memberIds(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).map((item) => {
    const id: unknown = isResource(item) ? item.value : item;
    if (typeof id !== 'string' || id === '') throw badValue('A member has the id of a user as its value');
    return id;
  });
}

export function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string' || value.trim() === '' || value.length > 512)
    throw badValue(`${name} is a text of at most 512 characters`);
  return value.trim();
}
