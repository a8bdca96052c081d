/** Why somebody may use something, or may not, in words. */
import type { RouteOutput } from '#portal/api/client.ts';

type Access = RouteOutput<'showWhoCan'>['items'][number];
export type By = Access['by'][number];

export const answers = {
  allow: { text: 'May', color: 'green', why: 'Everything lets it through.' },
  grant: {
    text: 'Not given',
    color: 'gray',
    why: 'Nothing gives it: add a grant for the person or a group of theirs.',
  },
  blocked: { text: 'Tool is off', color: 'orange', why: 'The tool is switched off.' },
  policy: { text: 'Policy', color: 'red', why: 'A policy forbids it, or none permits it.' },
  off: { text: 'Server is off', color: 'gray', why: 'The server is not enabled for this organization.' },
} as const satisfies Record<Access['answer'], unknown>;

const kinds: Readonly<Record<By['kind'], string>> = {
  everybody: 'everybody here may',
  role: 'role',
  group: 'group',
  grant: 'a grant of their own',
  administrator: 'administering the organization',
};

/** `group engineering (3 tools)`. */
export const byText = ({ kind, name, tools }: By): string =>
  [kinds[kind], ...(name === null ? [] : [name]), ...(tools === null ? [] : [`(${tools.length} tools)`])].join(' ');
