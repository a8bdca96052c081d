/** Asked before what can't be taken back; for the worst, its name is typed. */
import { Code, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { type ReactNode, useState } from 'react';
import { openFeedback } from './feedback.tsx';

interface Asked {
  readonly title: string;
  /** What will happen. */
  readonly text: string;
  /** On the button. */
  readonly verb: string;
  /** Must be typed. */
  readonly name?: string;
  readonly onConfirm: () => void;
}

export function confirm(asked: Asked): void {
  void openFeedback().then(() => {
    if (asked.name === undefined) confirmPlainly(asked);
    else confirmByName({ ...asked, name: asked.name });
  });
}

function confirmPlainly({ title, text, verb, onConfirm }: Asked): void {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm: verb, cancel: 'Cancel' },
    confirmProps: { color: 'red' },
    onConfirm,
  });
}

/** A question of its own kind; `closeDialog` ends it. */
export function openDialog(title: string, children: ReactNode): void {
  void openFeedback().then(() => modals.open({ title, children }));
}

export const closeDialog = (): void => modals.closeAll();

function confirmByName({ title, text, verb, name, onConfirm }: Asked & { readonly name: string }): void {
  let typed = '';
  modals.openConfirmModal({
    title,
    children: (
      <>
        <Text size="sm" mb="sm">
          {text}
        </Text>
        <TypedName
          name={name}
          onType={(value) => {
            typed = value;
          }}
        />
      </>
    ),
    labels: { confirm: verb, cancel: 'Cancel' },
    confirmProps: { color: 'red' },
    closeOnConfirm: false,
    onConfirm: () => {
      if (typed !== name) return;
      modals.closeAll();
      onConfirm();
    },
  });
}

function TypedName({ name, onType }: { readonly name: string; readonly onType: (value: string) => void }) {
  const [value, setValue] = useState('');
  return (
    <TextInput
      label={
        <>
          Type <Code>{name}</Code> to go on
        </>
      }
      value={value}
      error={value !== '' && !name.startsWith(value) ? 'That is not its name' : undefined}
      data-autofocus
      onChange={({ currentTarget }) => {
        setValue(currentTarget.value);
        onType(currentTarget.value);
      }}
    />
  );
}
