/** Keys and tokens that tell by their looks what they are. */
import { z } from 'zod';
import type { ContentFilter, FilterDeps } from '#adapters/filter/filter.ts';
import { matchesOf } from '#adapters/filter/matches.ts';
import type { Adapter } from '#core/adapter.ts';

const config = z.strictObject({});

/** Each begins with fixed letters and repeats one class of bounded length: none takes more than linear time. */
const known = [
  { name: 'aws-access-key', expression: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { name: 'github-token', expression: /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{40,255})/g },
  { name: 'gitlab-token', expression: /\bglpat-[A-Za-z0-9_-]{20,64}/g },
  { name: 'slack-token', expression: /\bxox[abeoprs]-[A-Za-z0-9-]{10,255}/g },
  { name: 'stripe-key', expression: /\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,128}/g },
  { name: 'openai-key', expression: /\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,255}/g },
  { name: 'google-key', expression: /\bAIza[A-Za-z0-9_-]{35}/g },
  { name: 'gatehouse-key', expression: /\bgw_(?:live|test)_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}/g },
  {
    name: 'json-web-token',
    expression: /\beyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,2048}/g,
  },
  {
    name: 'private-key',
    expression:
      /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,16384}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?/g,
  },
];

export const secretsFilter: Adapter<'secrets', typeof config, FilterDeps, ContentFilter> = {
  kind: 'secrets',
  title: 'Keys and tokens of well-known forms',
  config,
  open: () => ({ inspect: (text) => known.flatMap((one) => matchesOf(text, one)) }),
};
