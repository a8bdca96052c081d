/** A REST API: which operations become tools, where requests go, the key that goes with them. */
import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Code,
  Group,
  Skeleton,
  Stack,
  Table,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { call, type RouteOutput } from '#portal/api/client.ts';
import { sayRefused, useChange, useRoute } from '#portal/api/hooks.ts';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { type Detected, keyOf } from './detect.ts';
import { checkKey, ForWhom, KeyFields, keyOfValues, noKey } from './key-fields.tsx';

interface Props {
  readonly detected: Extract<Detected, { readonly kind: 'openapi' }>;
  readonly organization: string | undefined;
}

export function OpenApiForm({ detected: { from, key: guessed }, organization }: Props) {
  const [, navigate] = useLocation();
  const [onlyReads, setOnlyReads] = useState(false);
  const [include, setInclude] = useState<string[]>([]);
  const [key, setKey] = useState<string>();
  const [url, setUrl] = useState('');
  const [secret, setSecret] = useState(noKey);
  const [allMembers, setAllMembers] = useState(false);
  const selection = { ...(onlyReads && { methods: ['get', 'head'] }), ...(include.length > 0 && { include }) };
  const { data, error, refetch, isFetching } = usePreview(organization, { ...from, selection });
  const save = useSaveOpenApi(organization);
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton h={200} />;
  const short = key ?? (guessed || keyOf(data.title));
  const place = url !== '' ? { url } : {};
  const submit = () =>
    save.run({ ...from, selection, key: short, title: data.title, ...place, allMembers }, async () => {
      const given = keyOfValues(secret);
      if (organization !== undefined && 'credential' in given)
        await call('setCredential', { organization, server: short, ...given }).catch(sayRefused);
      navigate(organization === undefined ? `/servers/${short}` : `/o/${organization}/servers/${short}`);
    });
  return (
    <Stack>
      <Heading document={data} />
      <TextInput
        label="Short name"
        required
        value={short}
        error={checkKey(short)}
        onChange={({ currentTarget }) => setKey(currentTarget.value)}
      />
      <TextInput
        label="Where requests go"
        placeholder={data.url ?? 'https://api.example.com'}
        required={data.url === null}
        value={url}
        onChange={({ currentTarget }) => setUrl(currentTarget.value)}
      />
      <Checkbox
        label="Only what reads (GET)"
        checked={onlyReads}
        onChange={({ currentTarget }) => setOnlyReads(currentTarget.checked)}
      />
      <TagsInput
        label="Only these operations"
        description="Operation ids, paths such as /repos/*, or both: GET /repos/*. Empty: all."
        value={include}
        onChange={setInclude}
      />
      <Operations tools={data.tools} leftOut={data.leftOut.length} isFetching={isFetching} />
      {organization !== undefined && <KeyFields values={secret} onChange={setSecret} />}
      {organization !== undefined && <ForWhom allMembers={allMembers} onChange={setAllMembers} />}
      <Button
        w="fit-content"
        loading={save.isPending}
        disabled={checkKey(short) !== null || (data.url === null && url === '')}
        onClick={submit}
      >
        Save and enable
      </Button>
    </Stack>
  );
}

type Source = Extract<Detected, { readonly kind: 'openapi' }>['from'] & {
  readonly selection: { readonly methods?: string[]; readonly include?: string[] };
};

function usePreview(organization: string | undefined, source: Source) {
  const own = useRoute(
    'previewOrganizationOpenApi',
    { organization: organization ?? '', ...source },
    { enabled: organization !== undefined },
  );
  const platform = useRoute('previewOpenApi', source, { enabled: organization === undefined });
  return organization === undefined ? platform : own;
}

type Saving = Source & {
  readonly key: string;
  readonly title: string;
  readonly url?: string;
  readonly allMembers: boolean;
};

function useSaveOpenApi(organization: string | undefined) {
  const refreshes = ['listOrganizationServers', 'listServers'] as const;
  const own = useChange('createOrganizationOpenApiServer', { refreshes, done: ({ server }) => `${server} is there` });
  const platform = useChange('createOpenApiServer', { refreshes, done: ({ server }) => `${server} is there` });
  return {
    isPending: own.isPending || platform.isPending,
    run({ allMembers, ...wish }: Saving, done: () => Promise<void>) {
      if (organization === undefined) platform.mutate(wish, { onSuccess: done });
      else own.mutate({ organization, allMembers, ...wish }, { onSuccess: done });
    },
  };
}

interface OperationsProps {
  readonly tools: readonly { readonly name: string; readonly operation: string; readonly title: string }[];
  readonly leftOut: number;
  readonly isFetching: boolean;
}

const Operations = ({ tools, leftOut, isFetching }: OperationsProps) => (
  <Scrolling label="Tools that it makes" aria-busy={isFetching}>
    <Table aria-label="Tools that it makes" stickyHeader>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Tool</Table.Th>
          <Table.Th>Operation</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {tools.slice(0, 500).map(({ name, operation, title }) => (
          <Table.Tr key={name}>
            <Table.Td>
              <Code>{name}</Code>
              <Text size="sm" c="dimmed">
                {title}
              </Text>
            </Table.Td>
            <Table.Td>{operation}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
    {leftOut > 0 && <Text size="sm">{leftOut} operations are left out.</Text>}
  </Scrolling>
);

const Heading = ({ document: data }: { readonly document: RouteOutput<'previewOpenApi'> }) => (
  <>
    <Group gap="xs">
      <Text fw={600}>{data.title}</Text>
      <Badge variant="light" tt="none">
        {data.version}
      </Badge>
      <Badge color="gray" variant="light" tt="none">
        {data.tools.length} tools
      </Badge>
    </Group>
    {data.warnings.map((warning) => (
      <Alert key={warning} color="yellow">
        {warning}
      </Alert>
    ))}
  </>
);
