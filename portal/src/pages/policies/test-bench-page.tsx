/** Why was this denied? What the saved policies decide about a call. */
import { PageFrame } from '#portal/parts/page.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { TestBench } from './test-bench.tsx';

export function Page() {
  const organization = useOrganization();
  return (
    <PageFrame
      title="Test bench"
      about="Why was this denied, or would it be? Nothing is called: grants and policies are asked as for a real call."
    >
      <TestBench organization={organization} />
    </PageFrame>
  );
}
