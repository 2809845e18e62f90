import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import '../src/graphile_env.ts'
import { lexicographicSortSchema, printSchema } from 'graphql'
import { makeSchema } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { parseConfig } from '../src/config.ts'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { catalogue } from '../src/errors.ts'
import { wechatPreset } from '../src/graphql/preset.ts'
import { createLog } from '../src/log.ts'
import { createServices } from '../src/services.ts'

// Writes what is generated from the code and committed: generated/schema.graphql and docs/errors.md. With --check it
// writes nothing and ends with 1 where a file is stale.

const root = new URL('../', import.meta.url)

async function graphqlSchema(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-generate-'))
  const log = createLog('silent')
  const embedded = await startEmbedded({ dataDir, durable: false, log: () => {} })
  try {
    await migrate({ ownerUrl: embedded.ownerUrl, log })
    const config = parseConfig({
      DATABASE_URL: embedded.databaseUrl,
      JWT_SECRET: 'not a secret: only the schema is printed',
    })
    const services = await createServices({ config, ownUrl: 'http://127.0.0.1', log })
    const { schema } = await makeSchema({
      extends: [PostGraphileAmberPreset, wechatPreset(services)],
      pgServices: [makePgService({ pool: services.db.pool, schemas: ['public'] })],
    })
    await services.close()
    return `${printSchema(lexicographicSortSchema(schema))}\n`
  } finally {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
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
\`/logout\` a dead session, a bad token and a ban are 401; on \`/token\` \`over_request_rate_limit\` is 503, because clients throw their session away on 429.

| code | status | SQLSTATE | message | what helps |
|---|---|---|---|---|
${rows.join('\n')}
`
}

const files: Record<string, string> = {
  'generated/schema.graphql': await graphqlSchema(),
  'docs/errors.md': errorsPage(),
}

for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, root)
  if (!process.argv.includes('--check')) await writeFile(file, text)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${name} is stale: npm run generate\n`)
    process.exitCode = 1
  }
}
