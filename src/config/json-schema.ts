/** JSON Schema of gatehouse.yaml: what editors complete and check. */
import { z } from 'zod';
import { configSchema } from './schema.ts';

const reference = { type: 'string', pattern: '\\$\\{.+\\}' } as const;

/** As the file is written: what has a default may be left out, and numbers and switches may be references. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const schema = convert(configSchema);
  return {
    ...schema,
    title: 'gatehouse.yaml',
    description: 'Configuration of Gatehouse. Secrets are references to variables and files.',
  };
}

export const configSchemaText = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`;

function convert(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override({ zodSchema, jsonSchema }) {
      // What is read before it is checked: the check says what may be written.
      if (!(zodSchema instanceof z.ZodPipe) || !(zodSchema.def.in instanceof z.ZodTransform)) return;
      const { $schema: _schema, ...checked } = convert(zodSchema.def.out as z.ZodType);
      for (const name of Object.keys(jsonSchema)) delete jsonSchema[name];
      Object.assign(jsonSchema, checked.type === 'string' ? checked : { anyOf: [checked, reference] });
    },
  });
}
