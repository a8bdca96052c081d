/** The documents as a site (`npm run site` builds it and follows every link). */
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { forgotten, parsePage, withLinks } from '#scripts/site.ts';

const isPage = (path: string) => ['guide/tools.md', 'reference/config.md', 'guide'].includes(path);
const page = (body: string) => parsePage('guide/a.md', `# A title\n\n${body}\n`);

test('a page has its title and a description without markup', () => {
  expect(
    parsePage('guide/README.md', '# Guides\n\n| a |\n\nWhat [tools](tools.md) `do`,\nin short.\n\nMore.\n'),
  ).toMatchObject({
    ...{ slug: 'guide', title: 'Guides', description: 'What tools do, in short.' },
  });
  expect(() => parsePage('guide/b.md', 'no title')).toThrow('guide/b.md has no title');
});

test('links lead to pages of the site, pictures are its own, and what is no page is named', () => {
  expect(withLinks(page('[t](tools.md#x) ![p](../images/p.png) [c](../reference/config.md)'), isPage, false)).toContain(
    '[t](/guide/tools/#x) ![p](/images/p.png) [c](/reference/config/)',
  );
  expect(withLinks(page('[e](../../examples/authz), [w](https://a.example), [h](#here)'), isPage, false)).toContain(
    'e, [w](https://a.example), [h](#here)',
  );
});

test('every page of the guide is in the navigation, and every page can be read', () => {
  const files = globSync('{guide,reference,decisions}/**/*.md', { cwd: 'docs' });
  const slugs = files.map((file) => parsePage(file, readFileSync(`docs/${file}`, 'utf8')).slug);
  expect(forgotten(slugs.filter((slug) => slug !== 'guide'))).toEqual([]);
});
