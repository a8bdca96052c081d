/** How an organization's gateway is doing, and what needs somebody. */
import { SimpleGrid, Skeleton, Stack } from '@mantine/core';
import { useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { count, duration, Figure, share } from '#portal/pages/insight/figures.tsx';
import { useSpan } from '#portal/pages/insight/span.ts';
import { SpanPicker } from '#portal/pages/insight/span-picker.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { FirstCall } from './first-call.tsx';
import { Needs } from './needs.tsx';
import { Tops } from './tops.tsx';
import { Traffic } from './traffic.tsx';

export function Page() {
  const organization = useOrganization();
  const { span, since, setSpan } = useSpan();
  const over = useRoute('getUsage', { organization, since, every: span.every, limit: 1000 });
  const all = useRoute('getUsage', { organization, since });
  const total = all.data?.items[0];
  return (
    <PageFrame
      title="Overview"
      about="What is called, how well it goes, and what waits for somebody."
      actions={<SpanPicker value={span.name} onChange={setSpan} />}
    >
      <Needs />
      {(over.error ?? all.error) && <ErrorPanel error={over.error ?? all.error} retry={() => void over.refetch()} />}
      {all.isPending && <Skeleton h={110} aria-busy="true" />}
      {all.data && total === undefined && <FirstCall />}
      {total && (
        <Stack>
          <Totals total={total} span={span.name} />
          {over.data && <Traffic lines={over.data.items} span={span} since={since} />}
          <Tops since={since} span={span.name} />
        </Stack>
      )}
    </PageFrame>
  );
}

interface TotalsProps {
  readonly total: {
    readonly calls: number;
    readonly failures: number;
    readonly p95Ms: number;
    readonly p50Ms: number;
    readonly tokensSaved: number;
  };
  readonly span: string;
}

function Totals({ total: { calls, failures, p95Ms, p50Ms, tokensSaved }, span }: TotalsProps) {
  const organization = useOrganization();
  const session = useSession();
  const audit = isAllowed(session, 'admin:audit:read', organization);
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure label="Calls" value={count(calls)} href={`/o/${organization}/usage?span=${span}`} />
      <Figure
        label="Failures"
        value={share(failures, calls)}
        about={`${count(failures)} of ${count(calls)}`}
        {...(audit && { href: `/o/${organization}/audit?kind=call&decision=deny` })}
      />
      <Figure label="Response time, p95" value={duration(p95Ms)} about={`median ${duration(p50Ms)}`} />
      <Figure label="Tokens saved" value={count(tokensSaved)} about="by searching tools instead of listing all" />
    </SimpleGrid>
  );
}
