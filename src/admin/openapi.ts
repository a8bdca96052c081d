/** OpenAPI 3.1 from the contract: generated, never written. */
import { z } from 'zod';
import { errorTable } from '#core/error.ts';
import { type AdminRoute, adminBase, contract, hasBody } from './contract.ts';
import { exampleOf, type Schema } from './openapi-examples.ts';

export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, route] of Object.entries<AdminRoute>(contract)) {
    const path = `${adminBase}${route.path.replace(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(operationId, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gatehouse admin API',
      version,
      description: 'JSON in, JSON out; refusals are problem details (RFC 9457) with a code.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { cookie: [] }],
    tags: [...new Set(Object.values<AdminRoute>(contract).map(nounOf))].sort().map((name) => ({ name })),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key with a role `admin:*`, or an access token.',
        },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-gw_admin',
          description: 'The session of the portal; changes need `X-CSRF-Token` too.',
        },
      },
      schemas: { Problem: problem },
      responses: {
        Problem: {
          description: 'Refused (RFC 9457)',
          content: {
            'application/problem+json': {
              schema: { $ref: '#/components/schemas/Problem' },
              example: {
                ...{ type: 'about:blank', title: 'Not Found', status: 404, code: 'not_found', detail: 'Not found' },
              },
            },
          },
        },
      },
    },
    paths,
  };
}

/** What a route is about: the word of its permission. */
export const nounOf = ({ permission }: Pick<AdminRoute, 'permission'>): string => permission.split(':')[1] ?? '';

/** Names in the path, and a schema of everything else that goes in. */
export function partsOf(route: AdminRoute): { readonly inPath: readonly string[]; readonly rest: z.ZodObject } {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const rest = Object.entries(route.input.shape).filter(([name]) => !inPath.includes(name));
  return { inPath, rest: z.strictObject(Object.fromEntries(rest)) };
}

export const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Schema => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest as Schema;
};

function operation(operationId: string, route: AdminRoute): object {
  const { inPath, rest } = partsOf(route);
  const isWrite = hasBody(route.method);
  return {
    operationId,
    summary: route.summary,
    tags: [nounOf(route)],
    'x-permission': route.permission,
    'x-scope': route.scope,
    'x-audit': route.audit,
    parameters: [
      ...inPath.map((name) => ({
        ...{ name, in: 'path', required: true },
        ...shown(name, schemaOf(route.input.shape[name] as z.ZodType, 'input')),
      })),
      ...(isWrite ? [] : queryOf(schemaOf(rest, 'input'))),
      ...headersOf(route),
    ],
    ...(isWrite && { requestBody: { required: true, content: json(rest, 'input') } }),
    responses: {
      [route.status]: {
        description: 'Done',
        ...(isRead.has(operationId) && { headers: { ETag: { schema: { type: 'string' } } } }),
        content: json(route.output, 'output'),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

/** What a change can be conditional on. */
export const isRead: ReadonlySet<string> = new Set(
  Object.values<AdminRoute>(contract).flatMap(({ changes }) => changes ?? []),
);

function queryOf({ properties = {}, required = [] }: Schema): object[] {
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: 'query', required: required.includes(name) },
    ...(schema.description !== undefined && { description: schema.description }),
    schema,
  }));
}

function headersOf(route: AdminRoute): object[] {
  const header = (name: string, description: string) => ({
    ...{ name, in: 'header', required: false, description },
    schema: { type: 'string' },
  });
  return [
    ...(route.changes === undefined ? [] : [header('If-Match', 'ETag of what was read: refused (412) if it changed.')]),
    ...(route.method === 'POST' ? [header('Idempotency-Key', 'Within 24 hours the same request is done once.')] : []),
  ];
}

const shown = (name: string, schema: Schema) => ({ schema, example: exampleOf(schema, name) });

function json(schema: z.ZodType, io: 'input' | 'output'): object {
  return { 'application/json': shown('', schemaOf(schema, io)) };
}

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', examples: Object.keys(errorTable).slice(0, 3) },
    detail: { type: 'string', description: 'One sentence for people.' },
  },
};
