/** A tool's result as plain JSON, as mcpo gives it: what it structured itself, else its texts as JSON where they are some. */
import { isJsonObject, type Json, type JsonObject, objectIn, parseJson, stringIn } from '#core/json.ts';

export function bodyOf(result: JsonObject): Json {
  const { structuredContent } = result;
  if (structuredContent !== undefined && structuredContent !== null) return structuredContent;
  const parts = contentOf(result).map(valueIn);
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : parts;
}

/** What a tool says of its failure, for people and models. */
export function failureOf(result: JsonObject): string {
  const texts = contentOf(result).flatMap((item) => stringIn(item, 'text') ?? []);
  return texts.join('\n') || 'The tool failed and did not say why';
}

function contentOf({ content }: JsonObject): readonly JsonObject[] {
  return Array.isArray(content) ? content.filter((item: Json) => isJsonObject(item)) : [];
}

function valueIn(item: JsonObject): Json {
  if (item.type === 'text') return textValue(stringIn(item, 'text') ?? '');
  if (item.type === 'image' || item.type === 'audio')
    return dataUrl(stringIn(item, 'mimeType'), stringIn(item, 'data'));
  const resource = item.type === 'resource' ? objectIn(item, 'resource') : undefined;
  if (!resource) return item;
  const text = stringIn(resource, 'text');
  return text === undefined ? dataUrl(stringIn(resource, 'mimeType'), stringIn(resource, 'blob')) : textValue(text);
}

function textValue(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

const dataUrl = (type = 'application/octet-stream', data = '') => `data:${type};base64,${data}`;
