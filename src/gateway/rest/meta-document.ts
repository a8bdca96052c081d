/** The document in meta mode: three operations, however many tools there are (REQUIREMENTS S3.22). */
import { type JsonObject, stringIn } from '#core/json.ts';
import { metaTools } from '#gateway/catalog/meta/meta-tools.ts';
import { openApiDocument } from './document.ts';

/** `folder`: of the paths below `url`. */
export function metaDocument({ url, folder }: { readonly url: string; readonly folder: string }): JsonObject {
  const tools = metaTools().map((tool) => {
    const name = stringIn(tool, 'name') ?? '';
    // What they answer is the façade's own.
    const { outputSchema: _, ...definition } = tool;
    return { path: `${folder}/${name}`, olderPath: undefined, name, server: 'Gatehouse', tool: definition };
  });
  return openApiDocument({ url, description: 'Search, describe and call the tools that you may use' }, tools);
}
