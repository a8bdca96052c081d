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
];

/** Of the whole gateway: `/admin/{path}`. */
export const platformPages: readonly PortalPage[] = [
  {
    ...{ path: 'organizations', title: 'Organizations', group: 'Platform', icon: Building2 },
    permissions: ['admin:organizations:read'],
    load: () => import('./pages/organizations/organizations-page.tsx'),
  },
];

/** Everybody's: `/me/{path}`. */
export const myPages: readonly PortalPage[] = [];

/** What the owners of pages take from: one icon for one thing. */
export const icons = {
  ...{ activity: Activity, clients: AppWindow, notifications: Bell, collections: Boxes, organizations: Building2 },
  ...{ usage: ChartColumn, audit: ScrollText, overview: Gauge, health: HeartPulse, approvals: Inbox, keys: KeyRound },
  ...{ catalog: LibraryBig, sessions: MonitorSmartphone, matrix: Network, playground: Play, routing: RouteIcon },
  ...{ limits: Scale, runs: SquareTerminal, servers: Server, settings: Settings, policies: ShieldCheck },
  ...{ people: Users, me: UserRound, tools: Wrench, changes: FileClock },
} as const;
