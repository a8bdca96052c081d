import { expect, test } from 'vitest';
import { asKeyId, asOrgId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';
import { templateValues } from './template-values.ts';

const org = asOrgId('0197a000-0000-7000-8000-000000000000');
const key = principalKey('i', 's');

test('a person is who the token says, an API key has an id only', () => {
  const claims = { tenant: 't' };
  const user = { kind: 'user', key, issuer: 'i', subject: 's', email: 'a@b.example', claims, expiresAt: 0 } as const;
  expect(templateValues(user, { slug: 'acme' }, ['dev'])).toEqual({
    user: { id: 's', email: 'a@b.example', name: undefined, groups: ['dev'] },
    org: { slug: 'acme' },
    claims,
  });
  const keyId = asKeyId('k1');
  const program = { kind: 'api-key', key, keyId, name: 'admin', org, roles: [] } as const;
  expect(templateValues(program, { slug: 'acme' })).toEqual({
    user: { id: 'key:k1' },
    org: { slug: 'acme' },
    claims: {},
  });
});
