/** Text to copy. */
import { ActionIcon, Code, CopyButton, Group } from '@mantine/core';
import { Check, Copy } from 'lucide-react';

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
        <ActionIcon
          variant="subtle"
          onClick={copy}
          title={`Copy ${label}`}
          aria-label={copied ? 'Copied' : `Copy ${label}`}
        >
          {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
        </ActionIcon>
      )}
    </CopyButton>
  );
}
