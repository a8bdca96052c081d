/** Whether the trail is as it was written: asked for by a button, said plainly. */
import { Alert, Button, List, Loader, Modal, Stack, Text } from '@mantine/core';
import { CircleAlert, CircleCheck, ShieldCheck } from 'lucide-react';
import { useState } from 'react';
import { call, type RouteOutput } from '#portal/api/client.ts';
import { count } from '#portal/pages/insight/figures.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';

type Report = RouteOutput<'verifyAudit'>;

export function Verify({ organization }: { readonly organization: string | undefined }) {
  const [isOpen, setOpen] = useState(false);
  const [report, setReport] = useState<Report>();
  const [error, setError] = useState<unknown>();
  const run = async () => {
    setOpen(true);
    setReport(undefined);
    setError(undefined);
    try {
      setReport(
        organization === undefined
          ? await call('verifyPlatformAudit', {})
          : await call('verifyAudit', { organization }),
      );
    } catch (thrown) {
      setError(thrown);
    }
  };
  return (
    <>
      <Button variant="default" leftSection={<ShieldCheck size={16} aria-hidden />} onClick={() => void run()}>
        Verify
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title="Is the trail as it was written?" size="lg">
        {error !== undefined && <ErrorPanel error={error} retry={() => void run()} />}
        {error === undefined && !report && (
          <Stack align="center" py="md" role="status">
            <Loader aria-hidden />
            <Text size="sm">Every row is checked against the chain. A million rows take about a minute.</Text>
          </Stack>
        )}
        {report && <Result report={report} />}
      </Modal>
    </>
  );
}

function Result({ report: { rows, chains, checkpoints, erased, problems, publicKey } }: { readonly report: Report }) {
  const checked = `${count(rows)} rows in ${count(chains)} chains, ${count(checkpoints)} signed checkpoints, ${count(erased)} rows of erased people.`;
  return (
    <Stack>
      {problems.length === 0 ? (
        <Alert color="green" icon={<CircleCheck aria-hidden />} title="Yes: nothing was altered, removed or added">
          <Text size="sm">{checked}</Text>
        </Alert>
      ) : (
        <Alert
          color="red"
          icon={<CircleAlert aria-hidden />}
          title={`No: ${count(problems.length)} places are not as they were written`}
        >
          <Text size="sm">{checked}</Text>
          <Text size="sm">
            Keep a copy of the database as it is now, and compare it with an export that lies elsewhere.
          </Text>
        </Alert>
      )}
      {problems.length > 0 && (
        <List size="sm">
          {problems.slice(0, 50).map(({ writer, seq, kind, message }) => (
            <List.Item key={`${writer} ${seq} ${kind}`}>
              {kind} at {seq} of {writer}: {message}
            </List.Item>
          ))}
        </List>
      )}
      <div>
        <Text size="sm">Checkpoints are signed; check exports with this key:</Text>
        <CopyText text={publicKey} label="public key" />
      </div>
    </Stack>
  );
}
