/** A form beside the page that it belongs to: to make something new. */
import { Button, Drawer, Stack } from '@mantine/core';
import type { FormEventHandler, ReactNode } from 'react';

interface FormDrawerProps {
  readonly title: string;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onSubmit: FormEventHandler<HTMLFormElement>;
  /** On the button. */
  readonly verb: string;
  readonly isBusy: boolean;
  readonly children: ReactNode;
}

export function FormDrawer({ title, opened, onClose, onSubmit, verb, isBusy, children }: FormDrawerProps) {
  return (
    <Drawer opened={opened} onClose={onClose} title={title}>
      <form onSubmit={onSubmit}>
        <Stack>
          {children}
          <Button type="submit" loading={isBusy}>
            {verb}
          </Button>
        </Stack>
      </form>
    </Drawer>
  );
}
