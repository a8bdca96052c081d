/** One request: what is wanted and why, and the answer to it. */
import { Anchor, Blockquote, Button, Checkbox, Drawer, Group, Stack, Text, Textarea } from '@mantine/core';
import '@mantine/core/styles/Blockquote.css';
import { useState } from 'react';
import { Link } from 'wouter';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { type AccessRequest, whatAsked, whoAsked } from './requests-page.tsx';

interface DrawerProps {
  readonly request: AccessRequest | undefined;
  readonly onClose: () => void;
}

export function DecideDrawer({ request, onClose }: DrawerProps) {
  const session = useSession();
  const organization = useOrganization();
  const canDecide = isAllowed(session, 'admin:requests:write', organization);
  return (
    <Drawer
      opened={request !== undefined}
      onClose={onClose}
      title={request ? `${whoAsked(request)} wants ${whatAsked(request)}` : ''}
    >
      {request && (
        <Stack>
          <Blockquote p="sm">
            <Text size="sm" style={{ whiteSpace: 'pre-wrap' }}>
              {request.reason}
            </Text>
          </Blockquote>
          <Group>
            <Anchor component={Link} size="sm" href={`/o/${organization}/people/${request.user}`}>
              What they may use now
            </Anchor>
            <Anchor
              component={Link}
              size="sm"
              href={`/o/${organization}/audit?person=${encodeURIComponent(request.email ?? request.user)}`}
            >
              Their audit log
            </Anchor>
          </Group>
          {request.state === 'open' && canDecide ? (
            <Decision key={request.id} request={request} onClose={onClose} />
          ) : (
            <Decided request={request} />
          )}
        </Stack>
      )}
    </Drawer>
  );
}

const Decided = ({ request: { state, word, decidedBy, decidedAt, tools } }: { readonly request: AccessRequest }) => (
  <Stack gap={4}>
    <Text size="sm">
      {state === 'open' ? 'Waits for an answer' : `It was ${state}`}
      {decidedBy !== null && ` by ${decidedBy}`} {decidedAt !== null && <Time at={decidedAt} />}
    </Text>
    {word !== null && <Text size="sm">“{word}”</Text>}
    {tools !== null && <Text size="sm">Tools: {tools.join(', ')}</Text>}
  </Stack>
);

function Decision({ request, onClose }: { readonly request: AccessRequest; readonly onClose: () => void }) {
  const organization = useOrganization();
  const offered = useOffered(request);
  const [left, setLeft] = useState<readonly string[]>([]);
  const [word, setWord] = useState('');
  const [error, setError] = useState<string>();
  const refreshes = ['listAccessRequests', 'listGrants', 'showAccess'] as const;
  const who = whoAsked(request);
  const approve = useChange('approveRequest', { refreshes, done: `${who} has it now` });
  const refuse = useChange('refuseRequest', { refreshes, done: `${who} was told that they don’t get it` });
  const tools = offered.filter((tool) => !left.includes(tool));
  const one = { organization, id: request.id };
  const give = () =>
    approve.mutate(
      { ...one, ...(word.trim() !== '' && { word }), ...(left.length > 0 && { tools: [...tools] }) },
      { onSuccess: onClose },
    );
  const sayNo = () => {
    if (word.trim() === '') return setError('Say why not: the person reads it');
    refuse.mutate({ ...one, word }, { onSuccess: onClose });
  };
  return (
    <>
      {offered.length > 0 && <ToolsToGive {...{ offered, left, setLeft }} />}
      <Textarea
        label="A word to the person"
        description="Needed to refuse."
        autosize
        minRows={2}
        maxLength={1000}
        value={word}
        error={error}
        onChange={({ currentTarget }) => {
          setWord(currentTarget.value);
          setError(undefined);
        }}
      />
      <Group>
        <Button onClick={give} loading={approve.isPending} disabled={offered.length > 0 && tools.length === 0}>
          {left.length > 0 ? `Approve ${tools.length} of ${offered.length} tools` : 'Approve'}
        </Button>
        <Button variant="light" color="red" onClick={sayNo} loading={refuse.isPending}>
          Refuse
        </Button>
      </Group>
    </>
  );
}

/** Tools that can be chosen among: those asked for, or all that the server is known to have. */
function useOffered({ server, tools }: AccessRequest): readonly string[] {
  const organization = useOrganization();
  const isAll = tools === null && server !== null;
  const { data } = useRoute('listServerTools', { organization, server: server ?? '', limit: 1000 }, { enabled: isAll });
  return tools ?? (isAll ? (data?.items ?? []).map(({ name }) => name) : []);
}

interface ToolsProps {
  readonly offered: readonly string[];
  readonly left: readonly string[];
  readonly setLeft: (left: readonly string[]) => void;
}

const ToolsToGive = ({ offered, left, setLeft }: ToolsProps) => (
  <div>
    <Text size="sm" fw={500} mb={6}>
      Tools to give
    </Text>
    <Scrolling className="" label="Tools to give" style={{ maxHeight: 300, overflow: 'auto' }}>
      <Stack gap={6} p={4}>
        {offered.map((tool) => (
          <Checkbox
            key={tool}
            label={tool}
            checked={!left.includes(tool)}
            onChange={({ currentTarget: { checked } }) =>
              setLeft(checked ? left.filter((each) => each !== tool) : [...left, tool])
            }
          />
        ))}
      </Stack>
    </Scrolling>
  </div>
);
