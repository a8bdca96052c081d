/**
 * Every page of the portal as data: the navigation, the router and the command palette are made of it. A page is a
 * module of its own that is loaded when it is looked at, and exports `Page`.
 */
import {
  Activity,
  AppWindow,
  Bell,
  Boxes,
  Building2,
  ChartColumn,
  FileClock,
  Gauge,
  HeartPulse,
  Inbox,
  KeyRound,
  LibraryBig,
  type LucideIcon,
  MonitorSmartphone,
  Network,
  Play,
  Route as RouteIcon,
  Scale,
  ScrollText,
  Server,
  Settings,
  ShieldCheck,
  SquareTerminal,
  UserRound,
  Users,
  Wrench,
} from 'lucide-react';
import type { ComponentType } from 'react';

export interface PortalPage {
  /** Below the organization's or the platform's address. */
  readonly path: string;
  readonly title: string;
  readonly group: string;
  readonly icon: LucideIcon;
  /** Any of them shows it; none: everybody who may be here. */
  readonly permissions: readonly string[];
  /** Reached from another page, not from the navigation. */
  readonly isHidden?: true;
  readonly load: () => Promise<{ readonly Page: ComponentType }>;
}

/** Of one organization: `/admin/o/{slug}/{path}`. */
export const organizationPages: readonly PortalPage[] = [
  {
    ...{ path: 'overview', title: 'Overview', group: '', icon: Gauge, permissions: ['admin:usage:read'] },
    load: () => import('./pages/overview/overview-page.tsx'),
  },
  {
    ...{ path: 'playground', title: 'Playground', group: '', icon: Play, permissions: ['admin:collections:read'] },
    load: () => import('./pages/playground/playground-page.tsx'),
  },
  {
    ...{ path: 'people', title: 'Users & Groups', group: 'Access', icon: Users },
    permissions: ['admin:members:read', 'admin:groups:read'],
    load: () => import('./pages/people/people-page.tsx'),
  },
  {
    ...{ path: 'matrix', title: 'Groups & Servers', group: 'Access', icon: Network },
    permissions: ['admin:grants:read'],
    load: () => import('./pages/matrix/matrix-page.tsx'),
  },
  {
    ...{ path: 'keys', title: 'API Keys', group: 'Access', icon: KeyRound },
    permissions: ['admin:credentials:read', 'admin:keys:read'],
    load: () => import('./pages/keys/keys-page.tsx'),
  },
  {
    ...{ path: 'routing', title: 'Dynamic Routing', group: 'Access', icon: RouteIcon },
    permissions: ['admin:credentials:read'],
    load: () => import('./pages/routing/routing-page.tsx'),
  },
  {
    ...{ path: 'people/:user', title: 'A person', group: 'Access', icon: UserRound, isHidden: true },
    permissions: ['admin:access:read'],
    load: () => import('./pages/person/person-page.tsx'),
  },
  {
    ...{ path: 'requests', title: 'Requests', group: 'Access', icon: Inbox, permissions: ['admin:requests:read'] },
    load: () => import('./pages/requests/requests-page.tsx'),
  },
  {
    ...{ path: 'settings', title: 'Settings', group: 'Access', icon: Settings },
    permissions: ['admin:organizations:read', 'admin:limits:read'],
    load: () => import('./pages/settings/settings-page.tsx'),
  },
  {
    ...{ path: 'servers', title: 'Servers', group: 'Servers', icon: Server, permissions: ['admin:servers:read'] },
    load: () => import('./pages/servers/servers-page.tsx'),
  },
  {
    ...{ path: 'servers/add', title: 'Add a server', group: 'Servers', icon: Server, isHidden: true },
    permissions: ['admin:servers:write'],
    load: () => import('./pages/add-server/add-server-page.tsx'),
  },
  {
    ...{ path: 'servers/:server', title: 'Server', group: 'Servers', icon: Server, isHidden: true },
    permissions: ['admin:servers:read'],
    load: () => import('./pages/servers/server-page.tsx'),
  },
  {
    ...{ path: 'catalogue', title: 'Catalogue', group: 'Servers', icon: LibraryBig },
    permissions: ['admin:servers:read'],
    load: () => import('./pages/catalogue/catalogue-page.tsx'),
  },
  {
    ...{ path: 'collections', title: 'Collections', group: 'Servers', icon: Boxes },
    permissions: ['admin:collections:read'],
    load: () => import('./pages/collections/collections-page.tsx'),
  },
  {
    ...{ path: 'collections/:name', title: 'Collection', group: 'Servers', icon: Boxes, isHidden: true },
    permissions: ['admin:collections:read'],
    load: () => import('./pages/collections/collection-page.tsx'),
  },
  {
    ...{ path: 'usage', title: 'Usage', group: 'Insight', icon: ChartColumn, permissions: ['admin:usage:read'] },
    load: () => import('./pages/usage/usage-page.tsx'),
  },
  {
    ...{ path: 'audit', title: 'Audit', group: 'Insight', icon: ScrollText, permissions: ['admin:audit:read'] },
    load: () => import('./pages/audit/audit-page.tsx'),
  },
  {
    ...{ path: 'notifications', title: 'Notifications', group: 'Insight', icon: Bell },
    permissions: ['admin:notifications:read'],
    load: () => import('./pages/notifications/notifications-page.tsx'),
  },
  {
    ...{ path: 'apps', title: 'Apps', group: 'Access', icon: AppWindow, permissions: ['admin:apps:read'] },
    load: () => import('./pages/access/apps-page.tsx'),
  },
  {
    ...{ path: 'tokens', title: 'Tokens', group: 'Access', icon: FileClock, permissions: ['admin:tokens:read'] },
    load: () => import('./pages/access/tokens-page.tsx'),
  },
  {
    ...{ path: 'sessions', title: 'Sessions', group: 'Access', icon: MonitorSmartphone },
    permissions: ['admin:sessions:read'],
    load: () => import('./pages/access/sessions-page.tsx'),
  },
  {
    ...{ path: 'programs', title: 'Programs', group: 'Access', icon: SquareTerminal },
    permissions: ['admin:clients:read'],
    load: () => import('./pages/access/programs-page.tsx'),
  },
  {
    ...{ path: 'policies', title: 'Policies', group: 'Policies', icon: ShieldCheck },
    permissions: ['admin:policies:read'],
    load: () => import('./pages/policies/policies-page.tsx'),
  },
  {
    ...{ path: 'policies/:name', title: 'Policies', group: 'Policies', icon: ShieldCheck, isHidden: true },
    permissions: ['admin:policies:read'],
    load: () => import('./pages/policies/policy-page.tsx'),
  },
  {
    ...{ path: 'new-policy', title: 'New policies', group: 'Policies', icon: ShieldCheck, isHidden: true },
    permissions: ['admin:policies:write'],
    load: () => import('./pages/policies/new-policy-page.tsx'),
  },
  {
    ...{
      path: 'test-bench',
      title: 'Test bench',
      group: 'Policies',
      icon: Scale,
      permissions: ['admin:policies:read'],
    },
    load: () => import('./pages/policies/test-bench-page.tsx'),
  },
  {
    ...{ path: 'who-can', title: 'Who can do what', group: 'Policies', icon: Network },
    permissions: ['admin:access:read'],
    load: () => import('./pages/policies/who-can-page.tsx'),
  },
];

/** Of the whole gateway: `/admin/{path}`. */
export const platformPages: readonly PortalPage[] = [
  {
    ...{ path: 'organizations', title: 'Organizations', group: 'Platform', icon: Building2 },
    permissions: ['admin:organizations:read'],
    load: () => import('./pages/organizations/organizations-page.tsx'),
  },
  {
    ...{ path: 'servers', title: 'All servers', group: 'Platform', icon: Server, permissions: ['admin:servers:read'] },
    load: () => import('./pages/platform-servers/platform-servers-page.tsx'),
  },
  {
    ...{ path: 'servers/add', title: 'Add a server', group: 'Platform', icon: Server, isHidden: true },
    permissions: ['admin:servers:write'],
    load: () => import('./pages/add-server/add-server-page.tsx'),
  },
  {
    ...{ path: 'servers/:server', title: 'Server', group: 'Platform', icon: Server, isHidden: true },
    permissions: ['admin:servers:read'],
    load: () => import('./pages/platform-servers/platform-server-page.tsx'),
  },
  {
    ...{ path: 'runs', title: 'Runs', group: 'Platform', icon: SquareTerminal, permissions: ['admin:runs:read'] },
    load: () => import('./pages/runs/runs-page.tsx'),
  },
  {
    ...{ path: 'runs/:server', title: 'Run', group: 'Platform', icon: SquareTerminal, isHidden: true },
    permissions: ['admin:runs:read'],
    load: () => import('./pages/runs/run-page.tsx'),
  },
  {
    ...{ path: 'audit', title: 'Audit of the platform', group: 'Platform', icon: ScrollText },
    permissions: ['admin:audit:read'],
    load: () => import('./pages/audit/platform-audit-page.tsx'),
  },
  {
    ...{ path: 'health', title: 'Health', group: 'Platform', icon: HeartPulse, permissions: ['admin:status:read'] },
    load: () => import('./pages/health/health-page.tsx'),
  },
  {
    ...{ path: 'accounts', title: 'Local accounts', group: 'Platform', icon: UserRound },
    permissions: ['admin:accounts:read'],
    load: () => import('./pages/access/accounts-page.tsx'),
  },
  {
    ...{ path: 'signing-keys', title: 'Signing keys', group: 'Platform', icon: KeyRound },
    permissions: ['admin:signing:write'],
    load: () => import('./pages/access/signing-keys-page.tsx'),
  },
];

/** Everybody's: `/me/{path}`. */
export const myPages: readonly PortalPage[] = [
  {
    ...{ path: 'tools', title: 'My tools', group: '', icon: Wrench, permissions: [] },
    load: () => import('./pages/me/tools-page.tsx'),
  },
  {
    ...{ path: 'playground', title: 'Playground', group: '', icon: Play, permissions: [] },
    load: () => import('./pages/playground/playground-page.tsx'),
  },
  {
    ...{ path: 'access', title: 'Ask for access', group: '', icon: Inbox, permissions: [] },
    load: () => import('./pages/me/requests-page.tsx'),
  },
  {
    ...{ path: 'keys', title: 'My keys', group: '', icon: KeyRound, permissions: [] },
    load: () => import('./pages/me/keys-page.tsx'),
  },
  {
    ...{ path: 'apps', title: 'My apps', group: '', icon: AppWindow, permissions: [] },
    load: () => import('./pages/me/apps-page.tsx'),
  },
  {
    ...{ path: 'calls', title: 'My calls', group: '', icon: Activity, permissions: [] },
    load: () => import('./pages/me/calls-page.tsx'),
  },
];
