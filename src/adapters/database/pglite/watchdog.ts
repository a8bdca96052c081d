/**
 * After a full disk every query of PGlite hangs for ever. The watchdog turns the first hang into `storage_unavailable`
 * and answers so at once for as long as it hangs: a restart helps, once there is room.
 */
import type { DatabaseConnection, Dialect, Driver, TransactionSettings } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { BlockGuard } from './block-guard.ts';

/** Milliseconds a statement may take before it counts as hanging. */
export function withWatchdog(dialect: Dialect, stuckMs: number, guard?: BlockGuard): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => watch(dialect.createDriver(), openWatchdog(stuckMs, guard)),
  };
}

interface Watchdog {
  /** Rejects with `storage_unavailable` when the work takes too long, or when other work hangs already. */
  limit<T>(work: () => Promise<T>): Promise<T>;
  readonly stuck: boolean;
}

function openWatchdog(stuckMs: number, guard: BlockGuard | undefined): Watchdog {
  let hanging = 0;
  const unavailable = () =>
    new GatehouseError('storage_unavailable', { cause: new Error('the embedded database hangs') });
  return {
    get stuck() {
      return hanging > 0;
    },
    async limit(work) {
      if (hanging > 0) throw unavailable();
      const leave = guard?.enter();
      const running = work();
      const { promise: late, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        leave?.();
        hanging += 1;
        const answered = () => {
          hanging -= 1;
        };
        running.then(answered, answered);
        reject(unavailable());
      }, stuckMs);
      try {
        return await Promise.race([running, late]);
      } finally {
        clearTimeout(timer);
        leave?.();
      }
    },
  };
}

function watch(driver: Driver, dog: Watchdog): Driver {
  const watched = new WeakSet<DatabaseConnection>();
  const acquire = driver.acquireConnection.bind(driver);
  const begin = driver.beginTransaction.bind(driver);
  const commit = driver.commitTransaction.bind(driver);
  const rollback = driver.rollbackTransaction.bind(driver);
  return Object.assign(driver, {
    async acquireConnection(...given: Parameters<Driver['acquireConnection']>) {
      const connection = await acquire(...given);
      if (watched.has(connection)) return connection;
      watched.add(connection);
      const execute = connection.executeQuery.bind(connection);
      connection.executeQuery = (query, options) => dog.limit(() => execute(query, options));
      return connection;
    },
    beginTransaction: (connection: DatabaseConnection, settings: TransactionSettings) =>
      dog.limit(() => begin(connection, settings)),
    commitTransaction: (connection: DatabaseConnection) => dog.limit(() => commit(connection)),
    async rollbackTransaction(connection: DatabaseConnection) {
      const running = rollback(connection);
      // It waits behind what hangs, and is done should that ever answer; the first error is the one to tell.
      if (dog.stuck) running.catch(() => undefined);
      else await dog.limit(() => running);
    },
  });
}
