/** Tabs of a page: which one is looked at is in the address, and another one begins without the search of the last. */
import { Tabs } from '@mantine/core';
import type { ReactNode } from 'react';
import { useSearchParams } from 'wouter';

export interface PageTab {
  readonly value: string;
  readonly title: string;
  readonly content: () => ReactNode;
}

export function PageTabs({ label, tabs }: { readonly label: string; readonly tabs: readonly PageTab[] }) {
  const [search, setSearch] = useSearchParams();
  const shown = tabs.find(({ value }) => value === search.get('tab')) ?? tabs[0];
  if (!shown) return null;
  return (
    <Tabs
      value={shown.value}
      onChange={(value) => setSearch(value === null || value === tabs[0]?.value ? {} : { tab: value })}
      keepMounted={false}
    >
      <Tabs.List aria-label={label} mb="md">
        {tabs.map(({ value, title }) => (
          <Tabs.Tab key={value} value={value}>
            {title}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map(({ value, content }) => (
        <Tabs.Panel key={value} value={value}>
          {content()}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
