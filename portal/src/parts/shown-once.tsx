/** Secrets that nobody can read again. */
import { Alert, Button, Modal, Stack, Text } from '@mantine/core';
import { KeyRound } from 'lucide-react';
import { CopyText } from './copy.tsx';

interface ShownOnceProps {
  readonly secret: string | undefined;
  readonly what: string;
  readonly onClose: () => void;
}

export function ShownOnce({ secret, what, onClose }: ShownOnceProps) {
  return (
    <Modal opened={secret !== undefined} onClose={onClose} title={`Your ${what}`} size="lg" closeOnClickOutside={false}>
      <Stack>
        <Alert color="yellow" icon={<KeyRound aria-hidden />}>
          <Text size="sm">Copy it now: it is shown this once, and kept as a hash.</Text>
        </Alert>
        <CopyText text={secret ?? ''} label={what} />
        <Button onClick={onClose}>I have kept it</Button>
      </Stack>
    </Modal>
  );
}
