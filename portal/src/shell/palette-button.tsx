/** Opens the palette: its code is loaded when it is first asked for. */
import { ActionIcon } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { Search } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';

const Palette = lazy(async () => ({ default: (await import('./palette.tsx')).Palette }));

export function PaletteButton() {
  const [asked, setAsked] = useState(0);
  const open = () => setAsked((times) => times + 1);
  useHotkeys([['mod+K', open]], []);
  return (
    <>
      <ActionIcon variant="subtle" size="lg" title="Ctrl+K" aria-label="Go to a page" onClick={open}>
        <Search size={20} aria-hidden />
      </ActionIcon>
      {asked > 0 && (
        <Suspense>
          <Palette asked={asked} />
        </Suspense>
      )}
    </>
  );
}
