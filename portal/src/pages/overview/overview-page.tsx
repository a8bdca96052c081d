/** How an organization's gateway is doing, and what needs somebody. */
import { PageFrame } from '#portal/parts/page.tsx';

export function Page() {
  return <PageFrame title="Overview">…</PageFrame>;
}
