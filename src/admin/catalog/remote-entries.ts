/** Servers that their vendors run. Facts of November 2026, from what vendors and public registries say. */
import type { CatalogEntryInput } from './entry.ts';

const bearer = { kind: 'key' } as const;
const connected = { kind: 'connected' } as const;
const http = (url: string) => ({ kind: 'http', url }) as const;
/** Its address is another one for every account. */
const own = { kind: 'http' } as const;

const work: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'linear', title: 'Linear', tags: ['projects'], verified: true },
    description: 'Issues, projects and comments of Linear.',
    documentation: 'https://linear.app/docs/mcp',
    ...{ transport: http('https://mcp.linear.app/mcp'), auth: bearer, variable: 'LINEAR_API_KEY' },
  },
  {
    ...{ key: 'notion-remote', title: 'Notion', tags: ['documents'], verified: true },
    description: 'Pages and databases of Notion, with the account of whoever asks.',
    documentation: 'https://developers.notion.com/docs/mcp',
    ...{ transport: http('https://mcp.notion.com/mcp'), auth: { kind: 'connected', preset: 'notion' } },
  },
  {
    ...{ key: 'hubspot', title: 'HubSpot', tags: ['customers'], verified: true },
    description: 'Contacts, companies and deals of HubSpot.',
    documentation: 'https://developers.hubspot.com/mcp',
    ...{ transport: http('https://app.hubspot.com/mcp/v1/http'), auth: bearer, variable: 'HUBSPOT_API_KEY' },
  },
  {
    ...{ key: 'atlassian', title: 'Atlassian', tags: ['projects', 'documents'], verified: true },
    description: 'Jira issues and Confluence pages.',
    documentation: 'https://www.atlassian.com/platform/remote-mcp-server',
    ...{ transport: http('https://mcp.atlassian.com/v1/mcp'), auth: bearer, variable: 'ATLASSIAN_API_KEY' },
    note: 'Takes keys of service accounts where the administrators of the site allow them.',
  },
  {
    ...{ key: 'asana', title: 'Asana', tags: ['projects'], verified: true },
    description: 'Tasks and projects of Asana.',
    documentation: 'https://developers.asana.com/docs/using-asanas-mcp-server',
    ...{ transport: { kind: 'sse', url: 'https://mcp.asana.com/sse' }, auth: bearer, variable: 'ASANA_TOKEN' },
  },
  {
    ...{ key: 'clickup', title: 'ClickUp', tags: ['projects'] },
    description: 'Tasks, lists and documents of ClickUp, with the account of whoever asks.',
    documentation: 'https://developer.clickup.com/docs/connect-an-ai-assistant-to-clickups-mcp-server',
    ...{ transport: http('https://mcp.clickup.com/mcp'), auth: connected },
    note: 'ClickUp takes no keys here: everybody signs in.',
  },
  {
    ...{ key: 'trello', title: 'Trello', tags: ['projects'] },
    description: 'Boards, lists and cards of Trello, with the account of whoever asks.',
    documentation: 'https://support.atlassian.com/trello/',
    ...{ transport: http('https://mcp.trello.com/v1'), auth: connected },
    note: 'Trello takes no keys here: everybody signs in.',
  },
  {
    ...{ key: 'airtable', title: 'Airtable', tags: ['tables'] },
    description: 'Bases, tables and records of Airtable.',
    documentation: 'https://support.airtable.com/docs/using-the-airtable-mcp-server',
    ...{ transport: http('https://mcp.airtable.com/mcp'), auth: bearer, variable: 'AIRTABLE_API_KEY' },
  },
  {
    ...{ key: 'monday', title: 'monday.com', tags: ['projects'] },
    description: 'Boards and items of monday.com.',
    documentation: 'https://developer.monday.com/api-reference/docs/monday-mcp',
    ...{ transport: http('https://mcp.monday.com/mcp'), auth: bearer, variable: 'MONDAY_API_KEY' },
  },
  {
    ...{ key: 'slack', title: 'Slack', tags: ['messages'] },
    description: 'Channels, messages and search of Slack.',
    documentation: 'https://docs.slack.dev/ai/slack-mcp-server/',
    ...{ transport: http('https://mcp.slack.com/mcp'), auth: bearer, variable: 'SLACK_BOT_TOKEN' },
    note: "Slack's own server wants a token of a user; with `auth: connected` everybody brings their own.",
  },
  {
    ...{ key: 'zoom', title: 'Zoom', tags: ['meetings'] },
    description: 'Meetings, recordings and summaries of Zoom, with the account of whoever asks.',
    documentation: 'https://developers.zoom.us/docs/mcp/zoom/',
    ...{ transport: http('https://mcp.zoom.us/mcp/zoom/streamable'), auth: connected },
    note: 'Needs an OAuth app of yours at Zoom.',
  },
  {
    ...{ key: 'google-drive', title: 'Google Drive', tags: ['files'], verified: true },
    description: 'Files of Google Drive, with the account of whoever asks.',
    documentation: 'https://developers.google.com/workspace',
    ...{
      transport: http('https://drivemcp.googleapis.com/mcp/v1'),
      auth: { kind: 'connected', preset: 'google' },
    },
    note: 'Needs an OAuth client of yours at Google.',
  },
  ...(
    [
      ['onedrive', 'OneDrive', 'Files of OneDrive.', 'ONEDRIVE_MCP_URL', 'files'],
      ['sharepoint', 'SharePoint', 'Sites and documents of SharePoint.', 'SHAREPOINT_MCP_URL', 'documents'],
      ['teams', 'Microsoft Teams', 'Channels, chats and meetings of Teams.', 'TEAMS_MCP_URL', 'messages'],
    ] as const
  ).map(([key, title, description, urlVariable, tag]): CatalogEntryInput => {
    const note = 'The address has your directory in it: Microsoft 365 lists the servers of a tenant.';
    const documentation = 'https://learn.microsoft.com/en-us/microsoft-agent-365/';
    const way = { transport: own, auth: bearer, variable: 'MICROSOFT_GRAPH_TOKEN', urlVariable };
    return { key, title, description, documentation, tags: [tag], ...way, note };
  }),
];

const building: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'github', title: 'GitHub', tags: ['code'], verified: true },
    description: 'Repositories, issues and pull requests of GitHub.',
    documentation: 'https://github.com/github/github-mcp-server',
    ...{ transport: http('https://api.githubcopilot.com/mcp/'), auth: bearer },
    ...{ variable: 'GITHUB_TOKEN', aliases: ['GITHUB_PERSONAL_ACCESS_TOKEN'] },
  },
  {
    ...{ key: 'github-remote', title: 'GitHub (own account)', tags: ['code'], verified: true },
    description: 'GitHub, with the account of whoever asks.',
    documentation: 'https://github.com/github/github-mcp-server',
    ...{ transport: http('https://api.githubcopilot.com/mcp/'), auth: { kind: 'connected', preset: 'github' } },
  },
  {
    ...{ key: 'gitlab', title: 'GitLab', tags: ['code'], verified: true },
    description: 'Projects, issues, merge requests and pipelines of GitLab.',
    documentation: 'https://docs.gitlab.com/user/gitlab_duo/model_context_protocol/mcp_server/',
    ...{ transport: http('https://gitlab.com/api/v4/mcp'), auth: bearer, variable: 'GITLAB_TOKEN' },
    urlVariable: 'GITLAB_MCP_URL',
  },
  {
    ...{ key: 'bitbucket', title: 'Bitbucket', tags: ['code'] },
    description: 'Repositories and pipelines of Bitbucket.',
    documentation: 'https://support.atlassian.com/bitbucket-cloud/',
    ...{ transport: own, auth: bearer, variable: 'BITBUCKET_TOKEN', urlVariable: 'BITBUCKET_MCP_URL' },
    note: 'No address that its vendor publishes is known here.',
  },
  {
    ...{ key: 'jenkins', title: 'Jenkins', tags: ['builds'], verified: true },
    description: 'Jobs and builds of Jenkins.',
    documentation: 'https://plugins.jenkins.io/mcp-server/',
    transport: own,
    ...{ auth: { kind: 'key', template: 'Basic {}' }, variable: 'JENKINS_API_TOKEN', urlVariable: 'JENKINS_MCP_URL' },
    note: 'Your Jenkins with its MCP Server plugin: its address and /mcp-server/mcp; the key is base64 of user:token.',
  },
  {
    ...{ key: 'sentry', title: 'Sentry', tags: ['errors'], verified: true },
    description: 'Issues, events and releases of Sentry.',
    documentation: 'https://docs.sentry.io/product/sentry-mcp/',
    ...{ transport: http('https://mcp.sentry.dev/mcp'), auth: bearer, variable: 'SENTRY_AUTH_TOKEN' },
  },
  {
    ...{ key: 'pulumi', title: 'Pulumi', tags: ['infrastructure'], verified: true },
    description: 'Stacks and resources of Pulumi Cloud.',
    documentation: 'https://www.pulumi.com/docs/iac/using-pulumi/mcp-server/',
    ...{ transport: http('https://mcp.ai.pulumi.com/mcp'), auth: bearer, variable: 'PULUMI_ACCESS_TOKEN' },
  },
  {
    ...{ key: 'neon', title: 'Neon', tags: ['databases'] },
    description: 'Projects, branches and queries of Neon.',
    documentation: 'https://neon.com/docs/ai/neon-mcp-server',
    ...{ transport: http('https://mcp.neon.tech/mcp'), auth: bearer, variable: 'NEON_API_KEY' },
  },
  {
    ...{ key: 'supabase', title: 'Supabase', tags: ['databases'] },
    description: 'Projects, tables and functions of Supabase.',
    documentation: 'https://supabase.com/docs/guides/getting-started/mcp',
    ...{ transport: http('https://mcp.supabase.com/mcp'), auth: bearer, variable: 'SUPABASE_ACCESS_TOKEN' },
  },
  {
    ...{ key: 'stripe', title: 'Stripe', tags: ['payments'], verified: true },
    description: 'Customers, invoices and payments of Stripe.',
    documentation: 'https://docs.stripe.com/mcp',
    ...{ transport: http('https://mcp.stripe.com'), auth: bearer, variable: 'STRIPE_SECRET_KEY' },
    note: 'Use a restricted key.',
  },
  {
    ...{ key: 'figma', title: 'Figma', tags: ['design'] },
    description: 'Files and components of Figma, with the account of whoever asks.',
    documentation: 'https://developers.figma.com/docs/figma-mcp-server/',
    ...{ transport: http('https://mcp.figma.com/mcp'), auth: connected },
  },
];

const watching: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'datadog', title: 'Datadog', tags: ['monitoring'], verified: true },
    description: 'Logs, metrics, traces and monitors of Datadog, with the account of whoever asks.',
    documentation: 'https://docs.datadoghq.com/bits_ai/mcp_server/',
    ...{ transport: http('https://mcp.datadoghq.com/api/unstable/mcp-server/mcp'), auth: connected },
    urlVariable: 'DATADOG_MCP_URL',
    note: 'Keys of Datadog come in two headers; here everybody signs in. Sites other than US1 have another host.',
  },
  {
    ...{ key: 'grafana', title: 'Grafana Cloud', tags: ['monitoring'], verified: true },
    description: 'Dashboards, alerts, metrics and logs of Grafana.',
    documentation: 'https://grafana.com/docs/grafana-cloud/',
    ...{ transport: http('https://mcp.grafana.com/mcp'), auth: bearer, variable: 'GRAFANA_API_KEY' },
    urlVariable: 'GRAFANA_MCP_URL',
  },
  {
    ...{ key: 'new-relic', title: 'New Relic', tags: ['monitoring'], verified: true },
    description: 'Applications, queries and alerts of New Relic.',
    documentation: 'https://docs.newrelic.com/docs/agentic-ai/mcp/overview/',
    transport: http('https://mcp.newrelic.com/mcp/'),
    ...{ auth: { kind: 'key', header: 'Api-Key', template: '{}' }, variable: 'NEW_RELIC_API_KEY' },
    urlVariable: 'NEW_RELIC_MCP_URL',
  },
  {
    ...{ key: 'splunk', title: 'Splunk', tags: ['monitoring'] },
    description: 'Searches of Splunk.',
    documentation: 'https://help.splunk.com/',
    ...{ transport: own, auth: bearer, variable: 'SPLUNK_TOKEN', urlVariable: 'SPLUNK_MCP_URL' },
    note: 'The address of the MCP app of your Splunk.',
  },
];

const data: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'snowflake', title: 'Snowflake', tags: ['data'], verified: true },
    description: 'Queries, semantic views and search of Snowflake.',
    documentation: 'https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-agents-mcp',
    ...{ transport: own, auth: bearer, variable: 'SNOWFLAKE_PAT', urlVariable: 'SNOWFLAKE_MCP_URL' },
    note: 'https://{account}/api/v2/databases/{database}/schemas/{schema}/mcp-servers/{name}',
  },
  {
    ...{ key: 'dbt', title: 'dbt', tags: ['data'], verified: true },
    description: 'Models, lineage and metrics of dbt.',
    documentation: 'https://docs.getdbt.com/docs/dbt-ai/about-mcp',
    transport: own,
    ...{ auth: { kind: 'key', template: 'token {}' }, variable: 'DBT_API_KEY', urlVariable: 'DBT_MCP_URL' },
    note: 'https://{host}/api/ai/v1/mcp/; tools that need x-dbt-prod-environment-id need a proxy that adds it.',
  },
  {
    ...{ key: 'bigquery', title: 'BigQuery', tags: ['data'], verified: true },
    description: 'Datasets and queries of BigQuery, with the account of whoever asks.',
    documentation: 'https://cloud.google.com/bigquery/docs/use-bigquery-mcp',
    ...{ transport: http('https://bigquery.googleapis.com/mcp'), auth: { kind: 'connected', preset: 'google' } },
    note: 'Needs an OAuth client of yours at Google.',
  },
  {
    ...{ key: 'segment', title: 'Segment', tags: ['data'] },
    description: 'Sources, events and audiences of Segment.',
    documentation: 'https://segment.com/docs/',
    ...{ transport: own, auth: bearer, variable: 'SEGMENT_API_KEY', urlVariable: 'SEGMENT_MCP_URL' },
    note: 'No address that its vendor publishes is known here.',
  },
  {
    ...{ key: 'fivetran', title: 'Fivetran', tags: ['data'] },
    description: 'Connections and syncs of Fivetran.',
    documentation: 'https://fivetran.com/docs/',
    transport: own,
    ...{ auth: { kind: 'key', template: 'Basic {}' }, variable: 'FIVETRAN_API_KEY', urlVariable: 'FIVETRAN_MCP_URL' },
    note: 'The key is base64 of key:secret. No address that its vendor publishes is known here.',
  },
];

const reading: readonly CatalogEntryInput[] = [
  {
    ...{ key: 'context7', title: 'Context7', tags: ['documents'], verified: true },
    description: 'Documentation of libraries, by version.',
    documentation: 'https://context7.com/docs',
    transport: http('https://mcp.context7.com/mcp'),
    ...{ auth: { kind: 'key', header: 'CONTEXT7_API_KEY', template: '{}' }, variable: 'CONTEXT7_API_KEY' },
  },
  {
    ...{ key: 'microsoft-learn', title: 'Microsoft Learn', tags: ['documents'], verified: true },
    description: "Microsoft's documentation.",
    documentation: 'https://learn.microsoft.com/en-us/training/support/mcp',
    ...{ transport: http('https://learn.microsoft.com/api/mcp'), auth: { kind: 'none' } },
  },
  {
    ...{ key: 'hugging-face', title: 'Hugging Face', tags: ['models'] },
    description: 'Models, data sets and spaces of Hugging Face.',
    documentation: 'https://huggingface.co/docs/hub/en/hf-mcp-server',
    ...{ transport: http('https://huggingface.co/mcp'), auth: bearer, variable: 'HF_TOKEN' },
  },
  {
    ...{ key: 'tavily', title: 'Tavily', tags: ['search'] },
    description: 'Search of the web.',
    documentation: 'https://docs.tavily.com/documentation/mcp',
    ...{ transport: http('https://mcp.tavily.com/mcp/'), auth: bearer, variable: 'TAVILY_API_KEY' },
  },
];

export const remoteEntries: readonly CatalogEntryInput[] = [...work, ...building, ...watching, ...data, ...reading];
