/** Known complaints of engines, with what to do about them. */
import { EngineError } from './engine-http.ts';

const known: readonly (readonly [RegExp, string])[] = [
  [
    /cgroups? (?:in|v1|.{0,20}) ?hybrid mode|crun: .{0,200}(?:cgroup|not supported)/i,
    'The engine\'s runtime crun cannot run here: set runner.containerRuntime to runc (Docker), or start Podman\'s socket with `podman --runtime runc system service` or runtime = "runc" in containers.conf',
  ],
  [
    /(?:unknown or invalid runtime name|default OCI runtime|no such runtime|OCI runtime .{0,80} not found)/i,
    'The engine does not have the runtime that it is asked for: see runner.containerRuntime',
  ],
  [
    /(?:resource limits? .{0,60}not supported|cgroup .{0,40}(?:not mounted|not delegated|is not available)|requires cgroups v2)/i,
    'The engine cannot limit memory, processors or processes here: a rootless engine needs cgroups v2 with delegated controllers',
  ],
];

/** The same error, with what to do first where that is known. */
export function explain(thrown: unknown): unknown {
  if (!(thrown instanceof EngineError)) return thrown;
  const [, advice] = known.find(([pattern]) => pattern.test(thrown.message)) ?? [];
  if (advice === undefined) return thrown;
  const { status } = thrown;
  return new EngineError(`${advice}. (${thrown.message})`, { cause: thrown, ...(status !== undefined && { status }) });
}
