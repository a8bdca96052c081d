/** How clients are connected to a collection. */
import { useSession } from '#portal/api/session.tsx';
import { Connect } from '#portal/clients/connect.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import type { Collection } from './draft.ts';

export function ConnectTab({ collection: { name } }: { readonly collection: Collection }) {
  const organization = useOrganization();
  const { gateway } = useSession();
  const base = gateway.baseUrl.replace(/\/$/, '');
  return (
    <Connect
      name={name}
      url={`${base}/${organization}/mcp/${encodeURIComponent(name)}`}
      keysHref={`/me/o/${organization}/keys`}
    />
  );
}
