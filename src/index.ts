/** The gateway as a library: what the command line does, as a class with a life of its own (REQUIREMENTS.md S0.43, S0.44). */
import { EventEmitter } from 'node:events';
import { readVersion } from '#app/version.ts';
import { type App, openApp } from '#app.ts';
import { type Config, type LoadOptions, loadConfig } from '#config/load.ts';
import { readTextFile } from '#config/read-text.ts';
import type { Log } from '#core/log.ts';
import { openLog } from '#http/log.ts';

export type { Config, LoadOptions, Log as Logger };
export { loadConfig, openLog };

interface GatewayEvents {
  started: [url: string];
  stopped: [];
}

/** `start` and `stop` are each safe to call twice, also while the other is under way. */
export class Gateway extends EventEmitter<GatewayEvents> {
  readonly #config: Config;
  readonly #log: Log | undefined;
  #app: App | undefined;
  /** Starts and stops one after the other. */
  #queue: Promise<void> = Promise.resolve();

  /** `log`: hears of what this class itself has to say; by default the gateway's own. */
  constructor(config: Config, log?: Log) {
    super();
    this.#config = config;
    this.#log = log;
  }

  isActive(): boolean {
    return this.#app !== undefined;
  }

  /** Undefined while it doesn't run. */
  get url(): string | undefined {
    return this.#app?.url;
  }

  /** Throws GatehouseError `setting` or `storage_unavailable`. A running gateway is left alone. */
  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#app) {
        (this.#log ?? this.#app.log).warn({}, 'the gateway runs already: start does nothing');
        return;
      }
      this.#app = await openApp(this.#config, { version: readVersion(), env: process.env });
      this.emit('started', this.#app.url);
    });
  }

  /** Finishes what is in flight. Does nothing when it doesn't run. */
  stop(): Promise<void> {
    return this.#next(async () => {
      const app = this.#app;
      if (!app) return;
      this.#app = undefined;
      await app.close();
      this.emit('stopped');
    });
  }

  #next(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

export const Configuration = {
  /** From the process's own environment, `.env` and gatehouse.yaml. Throws GatehouseError `setting`. */
  load(overrides: Partial<LoadOptions> = {}): Config {
    return loadConfig({ env: process.env, cwd: process.cwd(), readFile: readTextFile, ...overrides });
  },
};
