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
    async read() {
      now += 3000;
      throw new Error('no document');
    },
    fetch: async () => '',
  };
  const pace = openOpenApiPace({ clock });
  const read = async (org = acme) => pace.of(org, importing)?.read('x', {});
  for (let i = 0; i < 3; i++) await expect(read()).rejects.toThrow('no document');
  await expect(read()).rejects.toThrow('try again in a minute');
  await expect(read(other)).rejects.toThrow('no document');
  now += 60_000;
  await expect(read()).rejects.toThrow('no document');
  expect(pace.of(acme, undefined)).toBeUndefined();
});
