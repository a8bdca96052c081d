/** Gateways that `gatehouse import --from` knows. */
export const systems = ['open-webui', 'ragie-workos', 'clerk', 'entra-toolhive', 'github-oauth'] as const;
export type System = (typeof systems)[number];
