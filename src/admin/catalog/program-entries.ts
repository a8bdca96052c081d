/** Servers that run here, at exact versions: commands and images, hence the platform administrator's word only. */
import type { CatalogEntryInput } from './entry.ts';

/** The package's own name comes first, then its arguments. */
const npm = (exact: string, ...args: string[]) => ({
  ...({ kind: 'stdio', command: 'npx' } as const),
  args: ['-y', exact, ...args],
});
const pypi = (exact: string, ...args: string[]) => ({
  ...({ kind: 'stdio', command: 'uvx' } as const),
  args: [exact, ...args],
});
/** To what they are about. */
const open = { network: 'full' } as const;
const keyed = { kind: 'variable' } as const;
const unkeyed = { kind: 'none' } as const;

export const programEntries: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'notion', title: 'Notion', tags: ['documents'], verified: true },
    description: 'Pages and databases of Notion, with an integration of the workspace.',
    documentation: 'https://github.com/makenotion/notion-mcp-server',
    transport: { ...npm('@notionhq/notion-mcp-server@2.5.2'), ...open, credentialEnv: 'NOTION_TOKEN' },
    ...{ auth: keyed, variable: 'NOTION_API_KEY' },
  },
  {
    ...{ key: 'snyk', title: 'Snyk', tags: ['security'], verified: true },
    description: 'Scans of code and dependencies by Snyk.',
    documentation: 'https://docs.snyk.io/integrations/snyk-studio-agentic-integrations',
    transport: { ...npm('snyk@1.1307.4', 'mcp', '-t', 'stdio'), ...open, credentialEnv: 'SNYK_TOKEN' },
    ...{ auth: keyed, variable: 'SNYK_TOKEN' },
  },
  {
    ...{ key: 'sonarqube', title: 'SonarQube', tags: ['code'], verified: true },
    description: 'Issues and quality gates of SonarQube.',
    documentation: 'https://github.com/SonarSource/sonarqube-mcp-server',
    transport: { kind: 'container', image: 'mcp/sonarqube', ...open, credentialEnv: 'SONARQUBE_TOKEN' },
    ...{ auth: keyed, variable: 'SONARQUBE_TOKEN' },
    note: 'Name the digest of the image that you looked at, and SONARQUBE_ORG or SONARQUBE_URL in its env.',
  },
  {
    ...{ key: 'terraform', title: 'Terraform', tags: ['infrastructure'], verified: true },
    description: 'Providers, modules and workspaces of Terraform.',
    documentation: 'https://github.com/hashicorp/terraform-mcp-server',
    transport: {
      ...{ kind: 'container', image: 'docker.io/hashicorp/terraform-mcp-server:0.2.3', ...open },
      credentialEnv: 'TFE_TOKEN',
    },
    ...{ auth: keyed, variable: 'TERRAFORM_TOKEN', aliases: ['TFE_TOKEN'] },
    note: 'Name the digest of the image that you looked at.',
  },
  {
    ...{ key: 'kubernetes', title: 'Kubernetes', tags: ['infrastructure'] },
    description: 'Workloads and logs of a Kubernetes cluster.',
    documentation: 'https://github.com/Flux159/mcp-server-kubernetes',
    transport: {
      ...{ ...npm('mcp-server-kubernetes@4.1.7'), ...open, credentialEnv: 'KUBECONFIG_YAML' },
      env: { ALLOW_ONLY_NON_DESTRUCTIVE_TOOLS: 'true' },
    },
    ...{ auth: keyed, variable: 'KUBECONFIG_YAML' },
    note: 'The variable holds the text of a kubeconfig. Tools that destroy are off.',
  },
  {
    ...{ key: 'docker', title: 'Docker', tags: ['infrastructure'] },
    description: 'Containers, images and volumes of a Docker engine.',
    documentation: 'https://github.com/ckreiling/mcp-server-docker',
    transport: { ...pypi('mcp-server-docker==0.3.0'), ...open, credentialEnv: 'DOCKER_HOST' },
    ...{ auth: keyed, variable: 'DOCKER_HOST' },
    note: 'Whoever may use it owns the machine that the engine runs on.',
  },
  {
    ...{ key: 'postgresql-mcp', title: 'PostgreSQL', tags: ['databases'], verified: true },
    description: 'Schemas and queries of a PostgreSQL database, reading only.',
    documentation: 'https://github.com/crystaldba/postgres-mcp',
    transport: {
      ...{ ...pypi('postgres-mcp==0.3.0', '--access-mode=restricted'), ...open },
      credentialEnv: 'DATABASE_URI',
    },
    ...{ auth: keyed, variable: 'POSTGRES_MCP_URL' },
  },
  {
    ...{ key: 'mongodb', title: 'MongoDB', tags: ['databases'], verified: true },
    description: 'Collections and documents of MongoDB, reading only.',
    documentation: 'https://github.com/mongodb-js/mongodb-mcp-server',
    transport: {
      ...{ ...npm('mongodb-mcp-server@3.0.4', '--readOnly'), ...open },
      credentialEnv: 'MDB_MCP_CONNECTION_STRING',
    },
    ...{ auth: keyed, variable: 'MONGODB_URL' },
  },
  {
    ...{ key: 'mysql', title: 'MySQL', tags: ['databases'] },
    description: 'Schemas and queries of a MySQL database.',
    documentation: 'https://github.com/benborla/mcp-server-mysql',
    transport: {
      ...{ ...npm('@benborla29/mcp-server-mysql@2.0.9'), ...open },
      credentialEnv: 'MYSQL_CONNECTION_STRING',
    },
    ...{ auth: keyed, variable: 'MYSQL_URL' },
  },
  {
    ...{ key: 'git', title: 'Git', tags: ['code'], verified: true },
    description: 'Commits, branches and differences of a repository on this machine.',
    documentation: 'https://github.com/modelcontextprotocol/servers/tree/main/src/git',
    ...{ transport: pypi('mcp-server-git==2026.10.19'), auth: unkeyed },
    note: 'Give it the folder of the repository: --repository and a volume.',
  },
  {
    ...{ key: 'filesystem', title: 'Filesystem', tags: ['files'], verified: true },
    description: 'Files below one folder of this machine.',
    documentation: 'https://github.com/modelcontextprotocol/servers/tree/main/src/filesystem',
    transport: npm('@modelcontextprotocol/server-filesystem@2026.8.31', '/data'),
    auth: unkeyed,
    note: 'Give it a volume at /data.',
  },
  {
    ...{ key: 'memory', title: 'Memory', tags: ['knowledge'], verified: true },
    description: 'A graph of what was said before.',
    documentation: 'https://github.com/modelcontextprotocol/servers/tree/main/src/memory',
    ...{ transport: npm('@modelcontextprotocol/server-memory@2026.8.31'), auth: unkeyed },
  },
  {
    ...{ key: 'excel', title: 'Excel', tags: ['files'], verified: true },
    description: 'Workbooks: values, formulas and charts.',
    documentation: 'https://github.com/haris-musa/excel-mcp-server',
    ...{ transport: pypi('excel-mcp-server==2.2.2', 'stdio'), auth: unkeyed },
  },
  {
    ...{ key: 'playwright', title: 'Playwright', tags: ['browsers'], verified: true },
    description: 'A browser that opens, reads and fills pages.',
    documentation: 'https://github.com/microsoft/playwright-mcp',
    ...{ transport: { ...npm('@playwright/mcp@0.0.83', '--headless', '--isolated'), ...open }, auth: unkeyed },
  },
];
