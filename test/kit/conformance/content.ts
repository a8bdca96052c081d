/** Tools of the conformance fixture whose answers are fixed content, progress, logs or a schema. */
import type { CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { fromJsonSchema } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** 1×1 PNG and an empty WAV: the smallest files that are what they claim to be. */
export const pngBase64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const wavBase64 = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';

export const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] });
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
export const noArguments = z.object({});

export function registerContentTools(server: McpServer): void {
  server.registerTool('test_simple_text', { description: 'Answers one text block' }, async () =>
    text('This is a simple text response for testing.'),
  );
  server.registerTool('test_image_content', { description: 'Answers one image' }, async () => ({
    content: [{ type: 'image', data: pngBase64, mimeType: 'image/png' }],
  }));
  server.registerTool('test_audio_content', { description: 'Answers one sound' }, async () => ({
    content: [{ type: 'audio', data: wavBase64, mimeType: 'audio/wav' }],
  }));
  server.registerTool('test_embedded_resource', { description: 'Answers an embedded resource' }, async () => ({
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  }));
  server.registerTool('test_multiple_content_types', { description: 'Answers three kinds of content' }, async () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: pngBase64, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: '{"test":"data","value":123}',
        },
      },
    ],
  }));
  server.registerTool('test_error_handling', { description: 'Always fails' }, async () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  registerStreamingTools(server);
  registerSchemaTools(server);
}

function registerStreamingTools(server: McpServer): void {
  server.registerTool(
    'test_tool_with_progress',
    { description: 'Reports 0, 50 and 100 of 100', inputSchema: noArguments },
    async (_args, ctx) => {
      const progressToken = ctx.mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await ctx.mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100 },
          });
        }
        if (progress < 100) await pause(50);
      }
      return text('Progress reported');
    },
  );
  server.registerTool(
    'test_tool_with_logging',
    { description: 'Sends three log messages', inputSchema: noArguments },
    async (_args, ctx) => {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await ctx.mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } });
        await pause(50);
      }
      return text('Logged three times');
    },
  );
  server.registerTool(
    'test_logging_tool',
    { description: 'Logs only to those who asked for a level', inputSchema: noArguments },
    async (_args, ctx) => {
      await ctx.mcpReq.log('info', 'one line');
      return text('Logged where wanted');
    },
  );
  server.registerTool(
    'test_streaming_elicitation',
    { description: 'Answers without any question of its own', inputSchema: noArguments },
    async () => text('Only a result'),
  );
  server.registerTool(
    'test_reconnection',
    { description: 'Closes its stream, then answers on the next one', inputSchema: noArguments },
    async (_args, ctx) => {
      ctx.http?.closeSSE?.();
      await pause(100);
      return text('Answered after the stream was closed');
    },
  );
}

function registerSchemaTools(server: McpServer): void {
  const region = { type: 'string', 'x-mcp-header': 'Region' } as const;
  server.registerTool(
    'test_x_mcp_header',
    {
      description: 'Mirrors one argument into a header',
      inputSchema: fromJsonSchema<{ region?: string; level?: number }>({
        type: 'object',
        properties: {
          region,
          level: { type: 'integer' },
        },
      }),
    },
    async ({ region }) => text(`region ${region ?? 'unset'}`),
  );
  server.registerTool(
    'json_schema_2020_12_tool',
    {
      description: 'A schema with the vocabulary of JSON Schema 2020-12',
      inputSchema: fromJsonSchema({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        $defs: {
          address: {
            $anchor: 'addressDef',
            type: 'object',
            properties: { street: { type: 'string' }, city: { type: 'string' } },
          },
        },
        properties: {
          name: { type: 'string' },
          address: { $ref: '#/$defs/address' },
          contactMethod: { type: 'string', enum: ['phone', 'email'] },
          phone: { type: 'string' },
          email: { type: 'string' },
        },
        allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
        if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { required: ['phone'] },
        else: { required: ['email'] },
        additionalProperties: false,
      }),
    },
    async (args) => text(JSON.stringify(args)),
  );
}
