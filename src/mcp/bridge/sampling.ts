/** Messages of `sampling/createMessage`: lists of blocks and tool blocks exist since 2025-11-25, audio since 2025-03-26. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { toLegacyContent } from './content.ts';
import { listIn, mapObjectIn } from './objects.ts';

/** One message per block. */
export function splitSamplingMessage(message: Json): readonly Json[] {
  if (!isJsonObject(message)) return [message];
  const blocks = listIn(message, 'content');
  return blocks ? blocks.map((content) => ({ ...message, content })) : [message];
}

/** A message of one block. */
export function toLegacySamplingMessage(message: JsonObject, version: string): JsonObject {
  return mapObjectIn(message, 'content', (block) => toLegacyContent(block, version));
}

/** A client's result for a server that knows one block only: its texts together, else its first block. */
export function toSingleBlock(result: JsonObject): JsonObject {
  const blocks = listIn(result, 'content')
    ?.filter(isJsonObject)
    .filter(({ type }) => type !== 'tool_use');
  if (!blocks) return result;
  const [first, ...others] = blocks;
  if (first && others.length === 0) return { ...result, content: first };
  const texts = blocks.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
  const told = { type: 'text', text: texts.join('\n') };
  return { ...result, content: texts.length === 0 && first ? first : told };
}
