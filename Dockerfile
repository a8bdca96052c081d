# Two stages: the first has the sources and the tools, the second only what runs.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-audit --no-fund --ignore-scripts --include=dev
COPY . .
# The folder that npm publishes is a second copy of the rest.
RUN npm run build && rm -rf dist/package && npm prune --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Gatehouse" \
      org.opencontainers.image.description="One door to every MCP server that an organization uses" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1001 gatehouse && useradd --uid 1001 --gid gatehouse --no-create-home --home-dir /app gatehouse \
 && mkdir -p /app/data && chown gatehouse:gatehouse /app/data
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
COPY --from=build /app/node_modules ./node_modules
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/app/data
USER 1001
EXPOSE 3000
# The root may be read-only: what is written is here, and in /tmp.
VOLUME /app/data
# Without an identity provider there is no such document: then the process's own health counts.
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
  CMD curl -f http://localhost:${PORT}/.well-known/oauth-protected-resource || curl -f http://localhost:${PORT}/health \
      || curl -fk https://localhost:${PORT}/health || exit 1
ENTRYPOINT ["node", "bin/gatehouse.mjs"]
CMD ["serve"]
