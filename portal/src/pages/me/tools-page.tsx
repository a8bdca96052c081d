/** Everybody's first page: where my tools are, how my client gets there, and which they are. */
import { Card, Select, Stack, Text, Title } from '@mantine/core';
import { useList, useRoute } from '#portal/api/hooks.ts';
import { Connect } from '#portal/clients/connect.tsx';
import { clientName } from '#portal/clients/recipe.ts';
import { CopyText } from '#portal/parts/copy.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { MyServers } from './my-servers.tsx';
import { MyToolList } from './my-tool-list.tsx';

export function Page() {
  const organization = useOrganization();
  const endpoints = useList('listMyEndpoints', { organization, limit: 1000 });
  const me = useRoute('getMe', { organization });
  const [name, setName] = useUrlState('endpoint');
  const chosen = endpoints.items.find((endpoint) => endpoint.name === name) ?? endpoints.items[0];
  return (
    <PageFrame
      title="My tools"
      about={`What you may use at ${me.data?.organization.name ?? 'your organization'}, and how your client gets there.`}
    >
      {endpoints.error && <ErrorPanel error={endpoints.error} retry={endpoints.reload} />}
      {chosen && (
        <Stack gap="xl">
          <Card withBorder component="section" aria-label="Connect">
            <Stack gap="sm">
              <Title order={2} size="h4">
                One address for your client
              </Title>
              {endpoints.items.length > 1 && (
                <Select
                  label="What your client is to see"
                  description="One address has everything; a smaller one keeps the list of tools short."
                  data={endpoints.items.map(({ name: value, title, kind }) => ({
                    value,
                    label: kind === 'everything' ? 'Everything that I may use' : `${title} (${kind})`,
                  }))}
                  value={chosen.name}
                  onChange={(value) => setName(value ?? '')}
                  searchable={endpoints.items.length > 8}
                  allowDeselect={false}
                  maw={420}
                />
              )}
              <Address organization={organization} endpoint={chosen} />
            </Stack>
          </Card>
          <MyServers endpoints={endpoints.items} />
          <MyToolList endpoint={chosen.name} />
        </Stack>
      )}
    </PageFrame>
  );
}

interface Endpoint {
  readonly name: string;
  readonly urls: readonly { readonly form: string; readonly url: string }[];
}

function Address({ organization, endpoint }: { readonly organization: string; readonly endpoint: Endpoint }) {
  const { urls, name } = endpoint;
  const urlOf = (form: string) => urls.find((each) => each.form === form)?.url;
  const url = urlOf('organization') ?? urls[0]?.url;
  if (url === undefined)
    return <Text size="sm">It has no address yet: ask an administrator of your organization.</Text>;
  const called = clientName(name === '' ? organization : `${organization}-${name}`);
  return (
    <>
      <CopyText text={url} label="address" />
      <Connect name={called} url={url} keysUrl={urlOf('keys')} />
    </>
  );
}
