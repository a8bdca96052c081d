/** OpenAPI 3.1 from the contract: generated, never written. */
import { z } from 'zod';
import { type AdminRoute, adminBase, contract, hasBody } from './contract.ts';

export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, route] of Object.entries<AdminRoute>(contract)) {
    const path = `${adminBase}${route.path.replace(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(operationId, route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Gatehouse admin API', version },
    security: [{ bearer: [] }],
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

function operation(operationId: string, route: AdminRoute): object {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const rest = z.strictObject(
    Object.fromEntries(Object.entries(route.input.shape).filter(([name]) => !inPath.includes(name))),
  );
  return {
    operationId,
    summary: route.summary,
    'x-permission': route.permission,
    'x-scope': route.scope,
    'x-audit': route.audit,
    parameters: inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...(hasBody(route.method) && { requestBody: { required: true, content: json(rest, 'input') } }),
    responses: {
      [route.status]: { description: 'Done', content: json(route.output, 'output') },
      default: { description: 'RFC 9457', content: { 'application/problem+json': { schema: problem } } },
    },
  };
}

function json(schema: z.ZodType, io: 'input' | 'output'): object {
  return { 'application/json': { schema: z.toJSONSchema(schema, { io, unrepresentable: 'any' }) } };
}

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
  },
};
