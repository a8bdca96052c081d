/** The key that signs access tokens: changing it in time, or at once. */
import { Alert, Button, Card, Stack, Text, Title } from '@mantine/core';
import { useChange } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { PageFrame } from '#portal/parts/page.tsx';

export function Page() {
  const { gateway } = useSession();
  const rotate = useChange('rotateSigningKey', { refreshes: [] });
  const inTime = () =>
    confirm({
      title: 'Make a new signing key?',
      text: 'It is published now and signs a little later, so that whoever keeps the key set knows it by then. Nobody notices.',
      verb: 'Make it',
      onConfirm: () => rotate.mutate({}),
    });
  const atOnce = () =>
    confirm({
      title: 'Trust the old keys no longer?',
      text: 'Every access token is refused from now on, and everybody signs in anew. For a key that got out.',
      verb: 'Replace it at once',
      name: 'replace',
      onConfirm: () => rotate.mutate({ atOnce: true }),
    });
  const { data } = rotate;
  return (
    <PageFrame
      title="Signing keys"
      about="Access tokens of this gateway are signed; whoever checks one looks the key up at the address below."
    >
      <Stack maw={720}>
        <CopyText text={new URL('/jwks', gateway.baseUrl).href} label="address of the public keys" />
        {data && (
          <Alert color="green" role="status" title="There is a new key">
            {data.kid} signs from {new Date(data.signsAt).toLocaleString()}.
          </Alert>
        )}
        <Card withBorder>
          <Stack gap="xs" align="flex-start">
            <Title order={2} size="h4">
              A new key, in time
            </Title>
            <Text size="sm">Now and then, as your rules say. Tokens that are out stay good until they end.</Text>
            <Button onClick={inTime} loading={rotate.isPending}>
              Make a new key
            </Button>
          </Stack>
        </Card>
        <Card withBorder>
          <Stack gap="xs" align="flex-start">
            <Title order={2} size="h4">
              A new key, at once
            </Title>
            <Text size="sm">When a key may be known to others: what it signed is refused from now on.</Text>
            <Button variant="default" c="red" onClick={atOnce} loading={rotate.isPending}>
              Replace it at once
            </Button>
          </Stack>
        </Card>
      </Stack>
    </PageFrame>
  );
}
