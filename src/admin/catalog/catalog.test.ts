import { expect, test } from 'vitest';
import { transport as transportNoun } from '#admin/transport-nouns.ts';
import { builtinCatalog, catalogVariables, mergeCatalogs, parseCatalogFile } from './catalog.ts';
import { definitionOf } from './definition.ts';
import { catalogEntry, commandLine, isPinned, isProgram, urlOf } from './entry.ts';

/** REQUIREMENTS S3.36. */
const promised = [
  ...['linear', 'notion', 'hubspot', 'pulumi', 'gitlab', 'github-remote', 'sentry', 'datadog', 'grafana', 'snowflake'],
  ...[
    'dbt',
    'slack',
    'snyk',
    'atlassian',
    'asana',
    'sonarqube',
    'clickup',
    'trello',
    'airtable',
    'monday',
    'terraform',
  ],
  ...[
    'kubernetes',
    'docker',
    'postgresql-mcp',
    'mongodb',
    'mysql',
    'bigquery',
    'google-drive',
    'onedrive',
    'sharepoint',
  ],
  ...['teams', 'zoom', 'git', 'bitbucket', 'jenkins', 'segment', 'fivetran', 'new-relic', 'splunk', 'github'],
  ...['filesystem', 'excel'],
];

test('every server of the older catalogue has an entry, and there are 44 or more [S3.36]', () => {
  const keys = builtinCatalog.map(({ key }) => key);
  expect(promised.filter((key) => !keys.includes(key))).toEqual([]);
  expect(keys.length).toBeGreaterThanOrEqual(44);
  expect(new Set(keys).size).toBe(keys.length);
});

test.each(builtinCatalog.map((entry) => [entry.key, entry] as const))(
  '%s is whole: an https address or a variable for it, a way in, and the page of its vendor [S3.36]',
  (_key, entry) => {
    const { transport, urlVariable, documentation, auth, variable } = entry;
    expect(documentation).toMatch(/^https:\/\/[^\s@]+$/);
    expect(auth.kind === 'key' || auth.kind === 'variable' ? variable : 'none').toBeDefined();
    if (isProgram(entry)) {
      expect(transportNoun.parse(definitionOf(entry)?.transport)).toMatchObject({ kind: transport.kind });
      return;
    }
    expect(urlOf(transport) ?? `https://${urlVariable}`).toMatch(/^https:\/\//);
    // Where nobody can say what its address is, nobody says that it was looked up.
    expect(definitionOf(entry, { url: 'https://one.example/mcp' })?.transport).toMatchObject({ kind: transport.kind });
  },
);

test('a variable is one entry’s, or of entries that each need an address of their own', () => {
  const byName = Map.groupBy(
    builtinCatalog.flatMap((entry) => [entry.variable ?? [], entry.aliases].flat().map((name) => ({ name, entry }))),
    ({ name }) => name,
  );
  for (const [, found] of byName) {
    const hasOwnAddress = found.every(({ entry }) => urlOf(entry.transport) === undefined && entry.urlVariable);
    expect(found.length === 1 || hasOwnAddress).toBeTruthy();
  }
  const addresses = builtinCatalog.flatMap(({ urlVariable }) => urlVariable ?? []);
  expect(new Set(addresses).size).toBe(addresses.length);
  expect(catalogVariables(builtinCatalog)).toEqual(expect.arrayContaining(['LINEAR_API_KEY', 'SNOWFLAKE_MCP_URL']));
});

test('programs are at exact versions, or are not turned on by a variable [G12]', () => {
  const loose = builtinCatalog.filter((entry) => !isPinned(entry)).map(({ key }) => key);
  // Images without a digest: an administrator names it.
  expect(loose).toEqual(['sonarqube', 'terraform']);
});

test('a command is shown word for word', () => {
  const kind = 'stdio';
  expect(commandLine({ kind, command: 'npx', args: ['-y', 'a@1.0.0', 'with space', "it's", '$(x)'] })).toBe(
    `npx -y a@1.0.0 'with space' 'it'\\''s' '$(x)'`,
  );
});

const entry = {
  ...{ key: 'own', title: 'Own', description: 'Our own.', documentation: 'https://docs.example' },
  ...{ transport: { kind: 'http', url: 'http://10.0.0.5/mcp' }, auth: { kind: 'key' }, variable: 'OWN_KEY' },
} as const;

test('an operator’s file adds entries, and goes before ours', () => {
  const [own] = parseCatalogFile(JSON.stringify({ servers: [entry] }), 'own.json');
  expect(own).toMatchObject({ key: 'own', auth: { header: 'authorization', template: 'Bearer {}' } });
  const linear = catalogEntry.parse({ ...entry, key: 'linear' });
  expect(mergeCatalogs(builtinCatalog, [linear]).find(({ key }) => key === 'linear')?.title).toBe('Own');
});

test.each([
  ['no JSON', 'nonsense', 'is no JSON'],
  ['a key that is not known', JSON.stringify({ servers: [{ ...entry, script: 'x' }] }), 'is wrong at servers.0'],
  [
    'a header of the gateway',
    JSON.stringify({ servers: [{ ...entry, auth: { kind: 'key', header: 'Host' } }] }),
    'wrong',
  ],
  ['no address', JSON.stringify({ servers: [{ ...entry, transport: { kind: 'http' } }] }), 'needs url or urlVariable'],
  [
    'a user in its address',
    JSON.stringify({ servers: [{ ...entry, transport: { kind: 'http', url: 'https://a:b@c' } }] }),
    'wrong',
  ],
  ['too much', ' '.repeat(1_048_577), 'larger than 1 MiB'],
  ['a prototype', '{"servers":[],"__proto__":{"x":1}}', 'is wrong'],
])('a file with %s is refused', (_what, text, message) => {
  expect(() => parseCatalogFile(text, 'own.json')).toThrow(message);
});
