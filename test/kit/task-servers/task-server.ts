/** Servers whose tools become tasks, one of each era, with the same tools. */
export interface TaskServer {
  /** Ends in `/mcp`. */
  readonly url: string;
  /** Names of the tools that were carried out, one entry for each time. */
  readonly runs: readonly string[];
  close(): Promise<void>;
}
