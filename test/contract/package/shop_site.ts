import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseEnv } from 'node:util'
import pg from 'pg'
import { secret } from '../../support/leaks.ts'
import { BIN, install, installOthers, root } from './pack.ts'
import { ANSWERS, launch, type Running } from './process.ts'
import { blocksOf, undo } from './readme.ts'

export const example = join(root, 'examples/postgraphile')
export const readme = join(example, 'README.md')
export const SHOP = /The shop answers at (http:\S+)/

function copyTo(directory: string): void {
  const isMade = (path: string) => ['node_modules', '.data', '.env'].includes(basename(path))
  cpSync(example, directory, { recursive: true, filter: path => !isMade(path) })
  installOthers(directory)
}

/** The project as it was before the change of its README; our package is not installed. */
export async function makeBefore(directory: string): Promise<void> {
  copyTo(directory)
  const [diff] = blocksOf(readme, 'diff')
  for (const [name, text] of undo(diff!, example)) await writeFile(join(directory, name), text)
  const migrations = readdirSync(join(example, 'migrations')).slice(1)
  const added = ['wechat.ts', 'worker.ts', 'rpc', 'tasks', ...migrations.map(name => `migrations/${name}`)]
  for (const name of added) await rm(join(directory, name), { recursive: true })
}

/** The project with the package, and what `postgraphile-wechat start` has brought for it. */
export interface ShopSite {
  directory: string
  /** PostgreSQL, the simulator and a worker. */
  backing: Running
  /** What `start` has written down. */
  env: Record<string, string>
  owner: pg.Pool
  /** A command of the README, with the addresses of now; a script of package.json is what the shell becomes. */
  inShell(block: string, shopUrl?: string): [string, ...string[]]
  close(): Promise<number | null>
}

export async function openShop(packed: string, directory: string): Promise<ShopSite> {
  copyTo(directory)
  install(packed, directory)
  const backing = await launch([BIN, 'start'], ANSWERS, { cwd: directory, env: { PORT: '0' } })
  const env = parseEnv(readFileSync(join(directory, '.data/env'), 'utf8')) as Record<string, string>
  for (const name of ['JWT_SECRET', 'SERVICE_ROLE_KEY']) secret(env[name]!)
  const owner = new pg.Pool({ connectionString: env.DATABASE_OWNER_URL })
  owner.on('error', () => {})
  const { scripts } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  return {
    directory,
    backing,
    env,
    owner,
    inShell(block, shopUrl) {
      const commands = block
        .replaceAll('http://127.0.0.1:5678', backing.found)
        .replaceAll('http://127.0.0.1:3000', String(shopUrl))
        .replace(/^npm start$/m, `exec ${scripts.start}`)
        .replace(/^npm run worker$/m, `exec ${scripts.worker}`)
      return ['bash', '-ec', commands]
    },
    async close() {
      await owner.end()
      return backing.end()
    },
  }
}
