/** Prompts, resources and completions of the matrix's servers. */
import { type JsonObject, stringIn } from '#core/json.ts';
import { png, Refusal } from './fixture.ts';

export const instructions = 'Ask the matrix before you act.';

/** More than one page of them. */
export const resources: readonly JsonObject[] = Array.from({ length: 10 }, (_, i) => ({
  uri: `test://doc/${i}`,
  name: `doc-${i}`,
  mimeType: 'text/plain',
}));

export const templates: readonly JsonObject[] = [
  { uriTemplate: 'test://by-name/{name}', name: 'by-name', mimeType: 'text/plain' },
];

export const prompts: readonly JsonObject[] = [
  { name: 'greet', description: 'Greets', arguments: [{ name: 'who', required: true }] },
  { name: 'pictured', description: 'With a picture and a file' },
];

export function readResource(uri: string): JsonObject {
  if (uri === 'test://doc/1') return { contents: [{ uri, mimeType: 'image/png', blob: png }] };
  const known = resources.some((one) => one.uri === uri) || uri.startsWith('test://by-name/');
  if (known) return { contents: [{ uri, mimeType: 'text/plain', text: `content of ${uri}` }] };
  throw new Refusal(NOT_FOUND, `Resource not found: ${uri}`, { uri });
}

/** Either era has its own code for it: the servers put it in. */
export const NOT_FOUND = -1;

export function getPrompt(params: JsonObject): JsonObject {
  if (params.name === 'greet') {
    const args = params.arguments as JsonObject | undefined;
    return { messages: [{ role: 'user', content: { type: 'text', text: `Hello ${stringIn(args, 'who')}` } }] };
  }
  if (params.name !== 'pictured') throw new Refusal(-32602, `Unknown prompt: ${String(params.name)}`);
  const resource = { uri: 'test://inline', mimeType: 'text/plain', text: 'inline' };
  return {
    messages: [
      { role: 'user', content: { type: 'image', data: png, mimeType: 'image/png' } },
      { role: 'user', content: { type: 'resource', resource } },
    ],
  };
}

export function complete(params: JsonObject): JsonObject {
  const argument = params.argument as JsonObject | undefined;
  const start = stringIn(argument, 'value') ?? '';
  const values = ['anna', 'anton', 'bert'].filter((name) => name.startsWith(start));
  return { completion: { values, total: values.length, hasMore: false } };
}

export const capabilities = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
  logging: {},
  completions: {},
};
