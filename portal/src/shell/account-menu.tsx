/** Who is signed in, the colours, and the way out. */
import { ActionIcon, type ActionIconProps } from '@mantine/core';
import { CircleUser } from 'lucide-react';
import { type ComponentPropsWithRef, lazy, Suspense, useState } from 'react';

const Opened = lazy(async () => ({ default: (await import('./account-items.tsx')).AccountMenuOpened }));

export function AccountMenu() {
  const [isAsked, setAsked] = useState(false);
  const button = <AccountButton aria-expanded={false} aria-haspopup="menu" onClick={() => setAsked(true)} />;
  return isAsked ? (
    <Suspense fallback={button}>
      <Opened />
    </Suspense>
  ) : (
    button
  );
}

/** What follows is the menu's, once there is one. */
export function AccountButton(props: ActionIconProps & ComponentPropsWithRef<'button'>) {
  return (
    <ActionIcon variant="subtle" size="lg" {...props} aria-label="Account">
      <CircleUser size={22} aria-hidden />
    </ActionIcon>
  );
}
