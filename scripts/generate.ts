import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import '../src/graphile_env.ts'
import { lexicographicSortSchema, printSchema } from 'graphql'
import pg from 'pg'
import { makeSchema } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { performanceFiles } from '../bench/report/files.ts'
import { parseConfig } from '../src/config.ts'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { catalogue } from '../src/errors.ts'
import { wechatPreset } from '../src/graphql/preset.ts'
import { createLog } from '../src/log.ts'
import { createServices } from '../src/services.ts'
import { compatibilityPage } from '../test/contract/clients/page.ts'
import { dumpSchema } from './dump_schema.ts'
import { firstDifference } from './first_difference.ts'
import { metricsPage } from './metrics_page.ts'

// Writes what is generated from the code and committed: the files of generated/, docs/errors.md, docs/compatibility.md,
// docs/metrics.md, and, of docs/performance/results.json, the tables of docs/performance.md and
// docs/scale.md, and charts.
// With --check it writes nothing, shows where a file is stale, and ends with 1.

const root = new URL('../', import.meta.url)

/** What a database shows that was built from sql/schema. */
async function schemas(): Promise<{ graphql: string; sql: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-generate-'))
  const embedded = await startEmbedded({ dataDir, durable: false, log: () => {} })
  try {
    await migrate({ ownerUrl: embedded.ownerUrl, log: createLog('silent') })
    return { graphql: await graphqlSchema(embedded.databaseUrl), sql: await sqlSchema(embedded.ownerUrl) }
  } finally {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function graphqlSchema(databaseUrl: string): Promise<string> {
  const config = parseConfig({
    DATABASE_URL: databaseUrl,
    JWT_SECRET: 'not a secret: only the schema is printed',
  })
  const services = await createServices({ config, ownUrl: 'http://127.0.0.1', log: createLog('silent') })
  try {
    const { schema } = await makeSchema({
      extends: [PostGraphileAmberPreset, wechatPreset(services)],
      pgServices: [makePgService({ pool: services.db.pool, schemas: ['public'] })],
    })
    return `${printSchema(lexicographicSortSchema(schema))}\n`
  } finally {
    await services.close()
  }
}

async function sqlSchema(ownerUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    return await dumpSchema(client)
  } finally {
    await client.end()
  }
}

function errorsPage(): string {
  const rows = Object.entries(catalogue).map(([code, entry]) => {
    const sqlstate = 'sqlstate' in entry ? `\`${entry.sqlstate}\`` : ''
    return `| \`${code}\` | ${entry.status} | ${sqlstate} | ${entry.message} | ${entry.remedy} |`
  })
  return `# Errors

One catalogue for SQL, GraphQL and REST. GraphQL answers with \`errors[].extensions.code\`, REST with \`error_code\` (or
\`code\`, for clients that send \`X-Supabase-Api-Version: 2024-01-01\` or later) and the header \`x-sb-error-code\`. Where WeChat
caused an error, \`wechat\` holds its \`errcode\` and \`rid\`. 429 and 503 come with \`Retry-After\`.

A GraphQL request that is refused as a whole (a bad token, a document that is not valid) has the status below; an error
of execution is HTTP 200. \`validation_failed\` is also 404, 405, 413 and 415, for route, method, size and type; on
\`/wechat/push\` \`no_authorization\` is 403; on \`/logout\` a dead session, a bad token and a ban are 401; on \`/token\` \`over_request_rate_limit\` and \`unexpected_failure\` are 503, because clients throw their session away on 429 and 500.

| code | status | SQLSTATE | message | what helps |
|---|---|---|---|---|
${rows.join('\n')}
`
}

const { graphql, sql } = await schemas()
const files: Record<string, string> = {
  'generated/schema.graphql': graphql,
  'generated/schema.sql': sql,
  'docs/errors.md': errorsPage(),
  'docs/compatibility.md': compatibilityPage(),
  'docs/metrics.md': metricsPage(),
  ...(await performanceFiles()),
}

for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, root)
  const present = await readFile(file, 'utf8').catch(() => '')
  if (!process.argv.includes('--check')) await writeFile(file, text)
  else if (present !== text) {
    process.stderr.write(`${name} is stale: npm run generate\n${firstDifference(present, text)}\n`)
    process.exitCode = 1
  }
}
