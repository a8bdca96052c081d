/** What names or pays for a person, told apart from look-alikes by its check digits. */
import { z } from 'zod';
import type { ContentFilter, FilterDeps } from '#adapters/filter/filter.ts';
import { matchesOf } from '#adapters/filter/matches.ts';
import type { Adapter } from '#core/adapter.ts';

const kinds = ['email', 'payment-card', 'iban', 'phone', 'us-social-security'] as const;
const config = z.strictObject({ kinds: z.array(z.enum(kinds)).min(1).default(['email', 'payment-card', 'iban']) });

const looks = {
  email: { expression: /[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}/g, isReal: () => true },
  'payment-card': { expression: /\b\d(?:[ -]?\d){12,18}\b/g, isReal: isCard },
  iban: { expression: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){2,9}\b/g, isReal: isIban },
  phone: { expression: /\+\d(?:[ ()/-]{0,2}\d){7,14}\b/g, isReal: () => true },
  'us-social-security': { expression: /\b(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b/g, isReal: () => true },
};

export const personalDataFilter: Adapter<'personal-data', typeof config, FilterDeps, ContentFilter> = {
  kind: 'personal-data',
  title: 'E-mail addresses, cards, bank accounts, phone numbers',
  config,
  open: ({ kinds: wanted }) => ({
    inspect: (text) =>
      wanted.flatMap((name) => matchesOf(text, { name, expression: looks[name].expression }, looks[name].isReal)),
  }),
};

/** ISO/IEC 7812-1 annex B. */
function isCard(text: string): boolean {
  const digits = [...text.replace(/\D/g, '')].map(Number).reverse();
  const sum = digits.reduce((total, digit, i) => {
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0 && new Set(digits).size > 1;
}

/** ISO 13616: the remainder by 97 is 1. */
function isIban(text: string): boolean {
  const plain = text.replaceAll(' ', '');
  if (plain.length < 15 || plain.length > 34) return false;
  let rest = 0;
  for (const letter of plain.slice(4) + plain.slice(0, 4)) {
    for (const digit of String(Number.parseInt(letter, 36))) rest = (rest * 10 + Number(digit)) % 97;
  }
  return rest === 1;
}
