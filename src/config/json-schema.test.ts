import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configSchemaText } from './json-schema.ts';

test('the committed JSON Schema is the one of the code (make it with `gatehouse schema`)', () => {
  const committed = readFileSync('docs/reference/gatehouse.schema.json', 'utf8');
  expect(JSON.parse(committed)).toEqual(JSON.parse(configSchemaText()));
});

test('secrets and ports are described as they are written', () => {
  const { properties } = JSON.parse(configSchemaText());
  expect(properties.http.properties.port.anyOf).toHaveLength(2);
  expect(properties.credentials.items.properties.credential.type).toBe('string');
});
