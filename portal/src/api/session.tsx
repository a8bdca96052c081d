/** Who is signed in, and what they may do: asked once at the start, and again when the page is looked at anew. */
import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext } from 'react';
import type { PortalSession } from '#admin/contract.ts';
import { apiBase, send, setCsrf } from './client.ts';

export type Session = PortalSession;

const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('there is no session');
  return session;
}

export async function loadSession(): Promise<Session> {
  const session = (await send(`${apiBase}/session`)) as Session;
  setCsrf(session.csrf);
  return session;
}

export function useLoadedSession() {
  return useQuery({ queryKey: ['session'], queryFn: loadSession, staleTime: 60_000, retry: false });
}

export function SessionProvider({ session, children }: { readonly session: Session; readonly children: ReactNode }) {
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

/** So that nobody is shown what would be refused; the gateway decides again. `slug`: undefined: on the platform. */
export function isAllowed(session: Session, permission: string, slug?: string): boolean {
  if (slug === undefined) return session.permissions.includes(permission);
  const found = session.organizations.find((organization) => organization.slug === slug);
  return (found?.permissions ?? session.permissions).includes(permission);
}

export async function signOut(): Promise<void> {
  const { next } = (await send(`${apiBase}/session`, { method: 'DELETE' })) as { readonly next: string };
  window.location.assign(next);
}
