/** All of one row, and for auditors what was sent. */
import { Anchor, Button, Code, Drawer, Group, Stack, Table, Text } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { call } from '#portal/api/client.ts';
import { messageOf } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import type { TrailRow } from './follow.ts';

interface DrawerProps {
  readonly organization: string | undefined;
  readonly row: TrailRow | undefined;
  readonly onClose: () => void;
}

export function RowDrawer({ organization, row, onClose }: DrawerProps) {
  const session = useSession();
  const slug = organization ?? session.organizations.find(({ id }) => id === row?.org)?.slug;
  return (
    <Drawer opened={row !== undefined} onClose={onClose} title="What is on record" size="xl">
      {row && (
        <Stack>
          <Group gap="md">{slug !== undefined && <Alike row={row} slug={slug} />}</Group>
          <Fields row={row} />
          {slug !== undefined && isAllowed(session, 'admin:audit-content:read', slug) && row.kind === 'call' && (
            <Content key={row.id} organization={slug} row={row} />
          )}
        </Stack>
      )}
    </Drawer>
  );
}

function Alike({ row: { email, subject, server, name }, slug }: { readonly row: TrailRow; readonly slug: string }) {
  const links = [
    { name: 'person', value: email ?? subject, label: 'All of this person' },
    { name: 'server', value: server, label: 'All of this server' },
    { name: 'tool', value: name, label: 'All of this tool' },
  ];
  return links.map(({ name: field, value, label }) =>
    value === null ? null : (
      <Anchor key={field} component={Link} size="sm" href={`/o/${slug}/audit?${field}=${encodeURIComponent(value)}`}>
        {label}
      </Anchor>
    ),
  );
}

/** Fields as people read them; everything else by its own name. */
const names: Readonly<Record<string, string>> = {
  ...{ at: 'When', org: 'Organization', kind: 'Kind', action: 'Action', target: 'Target', requestId: 'Request' },
  ...{ principalKind: 'Caller', issuer: 'Issuer', subject: 'Subject', email: 'Address', person: 'Pseudonym' },
  ...{ clientAddress: 'Client address', userAgent: 'User agent', circumstances: 'Circumstances' },
  ...{ httpMethod: 'HTTP method', path: 'Path', endpoint: 'Endpoint', server: 'Server', rpcMethod: 'Method' },
  ...{ name: 'Name', policyVersion: 'Policies', argumentDigest: 'Digest of arguments', decision: 'Decision' },
  ...{ reason: 'Reason', status: 'Status', open: 'Under way', durationMs: 'Took (ms)', upstreamMs: 'Server took (ms)' },
  ...{ bytesIn: 'Bytes in', bytesOut: 'Bytes out', erased: 'Person erased', content: 'Digest of content', id: 'Row' },
};

function Fields({ row }: { readonly row: TrailRow }) {
  const given: Readonly<Record<string, unknown>> = row;
  const simple = Object.entries(names).flatMap(([field, label]) => {
    const value = given[field];
    return value === null || value === undefined || value === false ? [] : [{ label, value: String(value) }];
  });
  return (
    <>
      <Table aria-label="Fields" layout="fixed">
        <Table.Tbody>
          {simple.map(({ label, value }) => (
            <Table.Tr key={label}>
              <Table.Th w={160} scope="row">
                {label}
              </Table.Th>
              <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {row.detail !== null && row.detail !== undefined && (
        <div>
          <Text fw={600} size="sm">
            Detail
          </Text>
          <CopyText text={JSON.stringify(row.detail, null, 2)} label="detail" />
        </div>
      )}
      <Place title="Place in the chain" link={row.link} />
      <Place title="Where it ended" link={row.closing} />
    </>
  );
}

function Place({ title, link }: { readonly title: string; readonly link: TrailRow['link'] }) {
  if (link === null) return null;
  return (
    <div>
      <Text fw={600} size="sm">
        {title}
      </Text>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        Number {link.seq} of writer <Code>{link.writer}</Code>, hash <Code>{link.hash}</Code>
      </Text>
    </div>
  );
}

/** Read only when asked for: reading it is on record too. */
function Content({ organization, row }: { readonly organization: string; readonly row: TrailRow }) {
  const [shown, setShown] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const read = async () => {
    setBusy(true);
    try {
      const { content } = await call('readAuditContent', { organization, id: row.id });
      setShown(content ?? 'Nothing was kept of the arguments of this call.');
    } catch (thrown) {
      setShown(messageOf(thrown));
    }
    setBusy(false);
  };
  if (shown !== undefined) return <CopyText text={shown} label="redacted arguments" />;
  return (
    <Button variant="default" onClick={() => void read()} loading={isBusy} w="fit-content">
      Read the arguments (this is recorded)
    </Button>
  );
}
