/** Text to copy, and secrets that are shown once. */
import { ActionIcon, Alert, Button, Code, CopyButton, Group, Modal, Stack, Text, Tooltip } from '@mantine/core';
import { Check, Copy, KeyRound } from 'lucide-react';

/** One line, or some, with a button. `label` names what is copied. */
export function CopyText({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start" className="copy">
      <Code block tabIndex={0} aria-label={label} className="copied">
        {text}
      </Code>
      <CopyIcon text={text} label={label} />
    </Group>
  );
}

export function CopyIcon({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${label}`}>
          <ActionIcon variant="subtle" onClick={copy} aria-label={copied ? 'Copied' : `Copy ${label}`}>
            {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

interface ShownOnceProps {
  readonly secret: string | undefined;
  readonly what: string;
  readonly onClose: () => void;
}

/** A secret that nobody can read again. */
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
