/** Content blocks of tool results, prompts and sampling as older revisions know them. */
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { isSince, mapObjectIn, omit } from './objects.ts';

/** Audio exists since 2025-03-26, links to resources and `_meta` since 2025-06-18. Unknown kinds pass. */
export function toLegacyContent(block: JsonObject, version: string): JsonObject {
  if (isSince(version, '2025-11-25')) return block;
  if (isSince(version, '2025-06-18')) return block.type === 'resource_link' ? omit(block, ['icons']) : block;
  if (block.type === 'resource_link') return kept(block, linkText(block));
  if (block.type === 'audio' && !isSince(version, '2025-03-26')) return kept(block, audioText(block));
  return mapObjectIn(omit(block, ['_meta']), 'resource', (resource) => omit(resource, ['_meta']));
}

function kept(block: JsonObject, text: string): JsonObject {
  const annotations = objectIn(block, 'annotations');
  return { type: 'text', text, ...(annotations && { annotations }) };
}

function linkText(block: JsonObject): string {
  const title = stringIn(block, 'title') ?? stringIn(block, 'name') ?? 'Resource';
  const lines = [`${title}: ${stringIn(block, 'uri') ?? ''}`, stringIn(block, 'description')];
  return lines.filter((line) => line !== undefined).join('\n');
}

function audioText(block: JsonObject): string {
  return `[Audio ${stringIn(block, 'mimeType') ?? ''} left out: this client's protocol revision has none]`;
}

/** A text block with this value as JSON, for readers that have no structured content. */
export function jsonText(value: Json): JsonObject {
  return { type: 'text', text: JSON.stringify(value) };
}
