import { randomBytes, randomInt } from 'node:crypto'
import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { readEnvFile, temporaryName, writeEnvFile } from './env_file.ts'
import { run } from './processes.ts'
import { EmbeddedError, type Site, type Urls } from './types.ts'

/** Nobody but those who know a password. The superuser `postgres` has none, so nobody logs in as it. */
const HBA = 'host all all 127.0.0.1/32 scram-sha-256\n'

/**
 * Makes `<dataDir>/postgres` unless it is there: the database `app` and its owner, who is no superuser, as on a managed
 * PostgreSQL. It appears complete or not at all, and only the first of several that try at once makes it.
 * @returns the logins, with the port that was used last.
 */
export async function ensureCluster(site: Site): Promise<Urls> {
  if (!(await stat(join(site.pgData, 'PG_VERSION')).catch(() => undefined))) await createCluster(site)
  // The copy inside the database directory knows the passwords even where `env` was lost or not yet written.
  const known = { ...(await readEnvFile(site.pgData)), ...(await readEnvFile(site.dataDir)) }
  const { DATABASE_URL: databaseUrl, DATABASE_OWNER_URL: ownerUrl } = known
  if (databaseUrl && ownerUrl) return { databaseUrl, ownerUrl }
  throw new EmbeddedError(
    'failed',
    `nothing in ${site.dataDir} tells how to log in to its database: put DATABASE_URL and DATABASE_OWNER_URL into its file ` +
      'env, or choose another directory with DATA_DIR=…',
  )
}

/**
 * Lets `authenticator` exist with the password of its URL. The owner creates it, so that he may grant it roles.
 * @throws EmbeddedError `failed` when it still cannot log in.
 */
export async function ensureAuthenticator(urls: Urls): Promise<void> {
  const tryLogin = () => withClient(urls.databaseUrl, async () => undefined)
  try {
    return await tryLogin()
  } catch (error) {
    if ((error as { code?: string }).code !== '28P01') throw error
  }
  const password = pg.escapeLiteral(decodeURIComponent(new URL(urls.databaseUrl).password))
  await withClient(urls.ownerUrl, async client => {
    // Even where the server is not durable: it is done once a start, and must outlive a killed server.
    await client.query('set synchronous_commit = on')
    const { rowCount } = await client.query(`select from pg_roles where rolname = 'authenticator'`)
    await client.query(
      rowCount
        ? `alter role authenticator login password ${password}`
        : `create role authenticator login noinherit nocreaterole nosuperuser password ${password}`,
    )
  })
  await tryLogin()
}

/** The URL with another port. */
export function withPort(url: string, port: number): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href
}

/**
 * A TCP port of 127.0.0.1 that is free at the moment, and not one that the system gives to outgoing connections: it is to
 * stay the same for long.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const server = createServer()
    const free = new Promise<boolean>(resolve => {
      server.on('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (await free) return port
  }
}

/** Settings of a connection to the embedded server. `ssl`: PGSSLMODE in our environment is about other servers. */
export function clientConfig(url: string): pg.ClientConfig {
  return { connectionString: url, ssl: false, connectionTimeoutMillis: 10_000 }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(clientConfig(url))
  client.on('error', () => {})
  try {
    await client.connect()
    await work(client)
  } finally {
    await client.end()
  }
}

async function createCluster(site: Site): Promise<void> {
  site.log('info', 'creating the embedded database', { directory: site.pgData })
  const temporary = temporaryName(site.pgData)
  try {
    await mkdir(temporary, { mode: 0o700 })
    if (site.user) await chown(temporary, site.user.uid, site.user.gid)
    await initdb(site, temporary)
    const urls = await newUrls(site)
    await createOwner(site, temporary, urls.ownerUrl)
    await writeEnvFile(temporary, { DATABASE_URL: urls.databaseUrl, DATABASE_OWNER_URL: urls.ownerUrl })
    if (site.user) await chown(join(temporary, 'env'), site.user.uid, site.user.gid)
    await rename(temporary, site.pgData)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    const { code } = error as NodeJS.ErrnoException
    // Another start was faster: its database is the one.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

/** Takes max_connections = 100 and shared_buffers = 128MB by itself, or less where the system cannot give that. */
async function initdb(site: Site, directory: string): Promise<void> {
  const args = ['-D', directory, '-U', 'postgres', '-E', 'UTF8', '--no-instructions', '--auth=reject']
  // The system's C.UTF-8, which not every system has, is the nearest that versions before 17 know.
  if (site.major < 17) args.push('--locale=C.UTF-8')
  else args.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  if (!site.durable) args.push('--no-sync')
  const { code, output } = await run(site.initdb, args, { user: site.user, cwd: directory })
  if (code !== 0) throw new EmbeddedError('failed', `initdb failed in ${site.dataDir}: ${output.trim()}`)
  await writeFile(join(directory, 'pg_hba.conf'), HBA)
}

/** A lost database directory does not change passwords: who knows the URLs goes on. */
async function newUrls(site: Site): Promise<Urls> {
  const known = await readEnvFile(site.dataDir)
  const port = await freePort()
  const url = (role: string) =>
    `postgres://${role}:${randomBytes(24).toString('base64url')}@127.0.0.1:${port}/app`
  return {
    databaseUrl: known.DATABASE_URL ?? url('authenticator'),
    ownerUrl: known.DATABASE_OWNER_URL ?? url('owner'),
  }
}

/** In single-user mode, because nobody can log in yet. */
async function createOwner(site: Site, directory: string, ownerUrl: string): Promise<void> {
  const password = pg.escapeLiteral(decodeURIComponent(new URL(ownerUrl).password))
  const input = [
    `create role owner login createrole createdb nosuperuser password ${password};`,
    'create database app owner owner;',
    '',
  ].join('\n')
  const args = ['--single', '-D', directory, ...(site.durable ? [] : ['-F']), 'postgres']
  const { code, output } = await run(site.postgres, args, { user: site.user, cwd: directory, input })
  // It goes on after an error, and exits with 0.
  if (code !== 0 || /(ERROR|FATAL|PANIC):/.test(output)) {
    throw new EmbeddedError('failed', `could not create the owner of the embedded database: ${output.trim()}`)
  }
}
