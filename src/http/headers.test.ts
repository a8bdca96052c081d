import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { expect, test } from 'vitest';
import { readHeaders } from './headers.ts';

test('what is read of a request stays an object with a shape: as a hash table it cost every call a third of its time', () => {
  setFlagsFromString('--allow-natives-syntax');
  const hasShape: (value: object) => boolean = runInThisContext('(value) => %HasFastProperties(value)');
  const raw = ['Host', 'localhost', 'Authorization', 'Bearer x', 'Content-Length', '2', 'Mcp-Param-Team', 'red'];
  expect(hasShape(readHeaders(raw, '1.1'))).toBe(true);
});
