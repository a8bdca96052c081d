/** The admin API in our own words and in ToolHive's. */
import type { FastifyPluginAsync } from 'fastify';
import { adminPlugin } from '#admin/plugin.ts';
import { type ToolHiveDeps, toolHivePlugin } from '#admin/toolhive/plugin.ts';

export const adminPlugins = (deps: ToolHiveDeps): readonly FastifyPluginAsync[] => [
  adminPlugin(deps),
  // No page of ours asks there: a session counts for our own API only.
  toolHivePlugin({ ...deps, findSession: undefined }),
];
