/** What the steps of the composition root hand on to each other. */

import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { Configuration } from '#admin/routes/configuration.ts';
import type { Closers } from '#app/closers.ts';
import type { Domains } from '#app/domains.ts';
import type { Entrances } from '#app/entrances.ts';
import type { OperatorServer } from '#app/operator-keys.ts';
import type { Reloading } from '#app/reload.ts';
import type { ServerPorts } from '#app/server-ports.ts';
import type { Storage } from '#app/storage.ts';
import type { Clock } from '#core/clock.ts';
import type { Metrics } from '#gateway/metrics.ts';
import type { RootLog } from '#http/log.ts';

export interface AppDeps {
  readonly version: string;
  /** Of this process: children get an allow-list of it. */
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  /** The caller says itself where the gateway listens: the log mentions it at debug level only. */
  readonly quiet?: boolean;
  /** Of another build of the portal. */
  readonly portalFolder?: string;
  /** Called as each step of the start begins: for the terminal. */
  readonly onStep?: (what: string) => void;
  /** Hears every SQL statement of the gateway: tests count them. */
  readonly onStatement?: (sql: string) => void;
}

/** While it opens: whatever is opened says here how it is closed. */
export type OpenDeps = AppDeps & { readonly log: RootLog; readonly clock: Clock; readonly closers: Closers };

/** Once it has a database, its settings and an address. */
export interface PlaneDeps extends OpenDeps {
  readonly policies: PolicyEngine;
  readonly limiter: Limiter;
  readonly storage: Storage;
  readonly operatorServers: readonly OperatorServer[];
  readonly url: string;
  readonly baseUrl: string;
  readonly entrances: Entrances;
  readonly domains: Domains;
  readonly state: { readonly ready: boolean };
  readonly metrics: Metrics;
  readonly ports: ServerPorts;
  readonly configuration: Configuration;
  readonly reloading: Reloading;
}
