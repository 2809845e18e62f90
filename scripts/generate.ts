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
import { wechatPreset } from '../src/graphql/preset.ts'
import { createLog } from '../src/log.ts'
import { authRoutes } from '../src/rest/routes.ts'
import { createServices } from '../src/services.ts'
import { compatibilityPage } from '../test/contract/clients/page.ts'
import { doctorPage } from './doctor_page.ts'
import { dumpSchema } from './dump_schema.ts'
import { firstDifference } from './first_difference.ts'
import { metricsPage } from './metrics_page.ts'
import { errorsPage } from './reference/errors.ts'
import { eventsPage } from './reference/events.ts'
import { graphqlPage } from './reference/graphql.ts'
import { restPage } from './reference/rest.ts'
import { sqlPage } from './reference/sql.ts'
import { variablesPage } from './reference/variables_page.ts'

// Writes what is generated from the code and committed: the files of generated/, docs/reference/, docs/errors.md,
// docs/compatibility.md, docs/metrics.md, docs/doctor.md, and, of docs/performance/results.json, the tables of docs/performance.md and
// docs/scale.md, and charts.
// With --check it writes nothing, shows where a file is stale, and ends with 1.

const root = new URL('../', import.meta.url)

/** The files of a database that was built from sql/schema. */
async function filesOfTheSchema(): Promise<Record<string, string>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-generate-'))
  const embedded = await startEmbedded({ dataDir, durable: false, log: () => {} })
  try {
    await migrate({ ownerUrl: embedded.ownerUrl, log: createLog('silent') })
    return {
      ...(await filesOfTheService(embedded.databaseUrl)),
      ...(await filesOfTheCatalogue(embedded.ownerUrl)),
    }
  } finally {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function filesOfTheService(databaseUrl: string): Promise<Record<string, string>> {
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
    const text = `${printSchema(lexicographicSortSchema(schema))}\n`
    return {
      'generated/schema.graphql': text,
      'docs/reference/graphql.md': graphqlPage(text),
      'docs/reference/rest.md': restPage(authRoutes(services)),
    }
  } finally {
    await services.close()
  }
}

async function filesOfTheCatalogue(ownerUrl: string): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ types: string[] }>('select auth_private.event_types() as types')
    return {
      'generated/schema.sql': await dumpSchema(client),
      'docs/reference/sql.md': await sqlPage(client),
      'docs/reference/events.md': eventsPage(rows[0]!.types),
    }
  } finally {
    await client.end()
  }
}

const files: Record<string, string> = {
  ...(await filesOfTheSchema()),
  'docs/errors.md': errorsPage('en'),
  'docs/errors.zh-CN.md': errorsPage('zh'),
  'docs/reference/variables.md': variablesPage('en'),
  'docs/reference/variables.zh-CN.md': variablesPage('zh'),
  'docs/compatibility.md': compatibilityPage(),
  'docs/metrics.md': metricsPage(),
  'docs/doctor.md': doctorPage(),
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
