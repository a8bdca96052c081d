import { expect, test } from 'vitest';
import { checkPassword, hashPassword, makePassword } from './password.ts';

test('a password is kept as a salted argon2id digest that only it opens', async () => {
  const [one, two] = await Promise.all([hashPassword('correct horse battery'), hashPassword('correct horse battery')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(one).not.toBe(two);
  expect(one).not.toContain('horse');
  expect(await checkPassword('correct horse battery', one)).toBe(true);
  expect(await checkPassword('correct horse batterz', one)).toBe(false);
});

test('the same letters typed on another keyboard are the same password', async () => {
  expect(await checkPassword('cafe\u0301 au lait!', await hashPassword('caf\u00e9 au lait!'))).toBe(true);
});

test('what is no digest is opened by nothing', async () => {
  for (const digest of ['', '*', '$argon2id$v=19$m=1,t=1,p=1$x$y', '$2b$10$abcdefghijklmnopqrstuv']) {
    expect(await checkPassword('', digest)).toBe(false);
  }
});

test('a made password is long, and another each time', () => {
  const made = Array.from({ length: 50 }, makePassword);
  expect(new Set(made).size).toBe(50);
  for (const password of made) expect(password).toMatch(/^[a-zA-Z2-9]{20}$/);
});
