/** How containers are run: `runner.engine` and what belongs to it. */
import { z } from 'zod';

const line = z.string().trim().min(1).max(500);

export const containerSettings = {
  engine: line
    .regex(/^(?:auto|none|\/.+|unix:\/\/\/.+|(?:tcp|http):\/\/.+)$/, 'must be auto, none, a path, unix://… or tcp://…')
    .default('auto')
    .describe(
      'Socket of Docker or Podman: a path, `unix://…`, or `tcp://` on loopback. auto: CONTAINER_HOST, DOCKER_HOST, then the usual sockets. none: no containers.',
    ),
  images: z
    .array(line)
    .max(500)
    .optional()
    .describe(
      'Images that may run: names where `*` is anything but a slash and `**` anything, or digests (`sha256:…`). Default: any that is here, since only platform administrators define servers. Nothing is pulled at a call.',
    ),
  containerRuntime: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'must be the name of a runtime that the engine knows')
    .optional()
    .describe(
      "OCI runtime instead of the engine's own, such as runc or runsc. Docker only: Podman decides by its own configuration.",
    ),
  containerUser: z
    .string()
    .regex(/^[1-9]\d{0,9}:[1-9]\d{0,9}$/, 'must be uid:gid in numbers, neither of them 0')
    .default('65534:65534')
    .describe('Whom containers run as, `uid:gid`: never root.'),
};
