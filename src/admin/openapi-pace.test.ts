import { expect, test } from 'vitest';
import { asOrgId } from '#core/ids.ts';
import { openManualTime } from '#kit/manual-time.ts';
import type { OpenApiImport } from './openapi-import.ts';
import { openOpenApiPace } from './openapi-pace.ts';

const acme = asOrgId('019a0000-0000-7000-8000-000000000001');
const other = asOrgId('019a0000-0000-7000-8000-000000000002');

test('an organization that has documents read without end waits, others do not [C15]', async () => {
  const time = openManualTime();
  let now = 0;
  const clock = { ...time.clock, monotonic: () => now };
  const importing: OpenApiImport = {
    read() {
      now += 3000;
      throw new Error('no document');
    },
    fetch: async () => '',
  };
  const pace = openOpenApiPace({ clock });
  const read = (org = acme) => pace.of(org, importing)?.read('x', {});
  for (let i = 0; i < 3; i++) expect(() => read()).toThrow('no document');
  expect(() => read()).toThrow('try again in a minute');
  expect(() => read(other)).toThrow('no document');
  now += 60_000;
  expect(() => read()).toThrow('no document');
  expect(pace.of(acme, undefined)).toBeUndefined();
});
