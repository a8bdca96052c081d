/** Numbers as people read them, and small cards that hold them. */
import { Anchor, Group, Paper, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'wouter';

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat('en');

export const count = (value: number): string => (value < 10_000 ? whole.format(value) : compact.format(value));
export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
export const share = (part: number, all: number): string =>
  all === 0 ? '0 %' : `${(Math.round((part / all) * 1000) / 10).toString()} %`;

export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1);
  return `${Math.round((value / 1000 ** power) * 10) / 10} ${units[power]}`;
}

interface FigureProps {
  readonly label: string;
  readonly value: ReactNode;
  readonly about?: ReactNode;
  /** Where there is more of it. */
  readonly href?: string;
}

export function Figure({ label, value, about, href }: FigureProps) {
  return (
    <Paper withBorder p="md" radius="md">
      <Text size="sm" c="dimmed">
        {href === undefined ? (
          label
        ) : (
          <Anchor component={Link} href={href} size="sm">
            {label}
          </Anchor>
        )}
      </Text>
      <Text size="xl" fw={650} mt={2}>
        {value}
      </Text>
      {about !== undefined && (
        <Text size="xs" c="dimmed" component="div">
          {about}
        </Text>
      )}
    </Paper>
  );
}

interface PanelProps {
  readonly title: string;
  readonly more?: ReactNode;
  readonly children: ReactNode;
}

export function Panel({ title, more, children }: PanelProps) {
  return (
    <Paper withBorder p="md" radius="md" component="section" aria-label={title}>
      <Group justify="space-between" mb="xs">
        <Text component="h2" fw={600} m={0} size="md">
          {title}
        </Text>
        {more}
      </Group>
      {children}
    </Paper>
  );
}
