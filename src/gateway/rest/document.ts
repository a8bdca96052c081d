/**
 * OpenAPI 3.1 of what a caller may use (REQUIREMENTS S3.19). One document for everything, one for each server in the way of
 * mcpo: an operation for each tool, its address below the document's own.
 */
import { hash } from 'node:crypto';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { inlineSchema, takesArguments } from './schemas.ts';

export interface DocumentHead {
  /** What the paths are below. */
  readonly url: string;
  readonly title?: string;
  readonly description: string;
}

export interface DocumentTool {
  /** Below the document's address. */
  readonly path: string;
  /** The older form of the path, still served. */
  readonly olderPath: string | undefined;
  /** What the operation is called, before it is made fit and unique. */
  readonly name: string;
  /** Title of the server. */
  readonly server: string;
  readonly tool: JsonObject;
}

const base = ({ url, title = 'Gatehouse', description }: DocumentHead) => ({
  openapi: '3.1.0',
  info: { title, description, version: '1.0.0' },
  servers: [{ url }],
});

const security: readonly JsonObject[] = [{ bearer: [] }, { apiKey: [] }];

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'An access token, or an API key' },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
};

const components = {
  schemas: {
    Error: { type: 'object', properties: { detail: { type: 'string' } }, required: ['detail'] },
  },
  securitySchemes,
};

export const emptyDocument = (head: DocumentHead): JsonObject => ({
  ...base(head),
  paths: {},
  components: { securitySchemes },
});

export function openApiDocument(head: DocumentHead, tools: readonly DocumentTool[]): JsonObject {
  const ids = new Set<string>();
  const paths: Record<string, JsonObject> = {};
  for (const one of tools) {
    if (paths[one.path]) continue;
    const operation = operationFor(one);
    paths[one.path] = { post: { operationId: unique(one.name, ids), ...operation } };
    // Without an id, so that clients that make a tool of each operation don't have every tool twice.
    if (one.olderPath !== undefined && !paths[one.olderPath])
      paths[one.olderPath] = { post: { ...operation, deprecated: true } };
  }
  return { ...base(head), paths, components, security };
}

function operationFor({ tool, server }: DocumentTool): JsonObject {
  const name = stringIn(tool, 'name') ?? '';
  const title = stringIn(tool, 'title') ?? stringIn(objectIn(tool, 'annotations'), 'title') ?? name;
  const input = inlineSchema(objectIn(tool, 'inputSchema') ?? {});
  const output = objectIn(tool, 'outputSchema');
  return {
    tags: [server],
    summary: title,
    description: `[${server}] ${stringIn(tool, 'description') ?? title}`,
    ...(takesArguments(input) && {
      requestBody: { required: true, content: { 'application/json': { schema: { type: 'object', ...input } } } },
    }),
    responses: {
      '200': {
        description: "The tool's result",
        content: { 'application/json': { schema: output ? inlineSchema(output) : {} } },
      },
      default: {
        description: 'Refused, or the tool failed',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

/** As models' function names may be: that is what clients make of it. */
const MAX_ID_CHARACTERS = 64;

function unique(name: string, taken: Set<string>): string {
  const plain = name.replace(/[^A-Za-z0-9_-]/g, '_');
  let id = plain.length <= MAX_ID_CHARACTERS && !taken.has(plain) ? plain : digested(plain, name);
  for (let n = 2; taken.has(id); n++) id = digested(plain, `${name} ${n}`);
  taken.add(id);
  return id;
}

const digested = (plain: string, name: string) =>
  `${plain.slice(0, MAX_ID_CHARACTERS - 9)}_${hash('sha256', name, 'hex').slice(0, 8)}`;
