# One image for every command: `serve` unless told otherwise, or `worker`, `migrate`, `doctor`, `--help`.
# The Node here and the devDependency "node" of package.json are the same minor version.
FROM node:24.21-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# A workspace: what is locked for it is as locked as the rest, and `npm run build` would install what is missing.
COPY bench/package.json bench/
RUN npm ci --ignore-scripts
COPY scripts/run.mjs scripts/build_page.ts scripts/
COPY tsconfig.json tsconfig.build.json ./
COPY src/ src/
RUN npm run build

# postgraphile and graphql are peers of the package, and devDependencies so that a clone has them. npm takes a package
# that is both for the latter and `--omit=dev` would leave it out: so the devDependencies go from package.json instead,
# and the peers come in the locked versions.
# Optional is only the embedded database. What is removed by name comes along for types alone, and is two fifths of the
# whole: GraphiQL is served from ruru's own bundle. So are its source maps; nobody reads the others.
FROM node:24.21-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm pkg delete devDependencies workspaces \
  && npm ci --omit=optional --ignore-scripts \
  && cd node_modules \
  && rm -rf framer-motion monaco-editor motion-dom prettier react-aria react-dom react-stately \
  && find . -name "*.map" -delete

FROM node:24.21-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules/ node_modules/
COPY --from=build /app/dist/ dist/
COPY package.json LICENSE ./
COPY bin/ bin/
COPY sql/ sql/
# The simulator serves it.
COPY docs/simulator.md docs/
# The user `node`; by its number, so that Kubernetes (runAsNonRoot) sees that it is not root.
USER 1000
EXPOSE 5678
HEALTHCHECK --interval=10s --timeout=3s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 5678}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# V8 collects late where there is memory: half a gigabyte for what needs a fifth (docs/operations.md, "Memory").
ENTRYPOINT ["node", "--max-semi-space-size=8", "--heap-growing-percent=60", "bin/postgraphile-wechat.js"]
CMD ["serve"]
