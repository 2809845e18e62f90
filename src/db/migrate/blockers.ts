import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** Other sessions of the migrating login show all; of the others a login that is no superuser sees less. */
const WAITED_FOR = `
  select distinct b.pid, a.usename as login, nullif(a.application_name, '') as application, a.xact_start as since
  from unnest($1::integer[]) as w (pid), unnest(pg_blocking_pids(w.pid)) as b (pid)
    left join pg_stat_activity a on a.pid = b.pid
  order by b.pid`

interface Blocker {
  /** 0: a prepared transaction. */
  pid: number
  login: string | null
  application: string | null
  since: Date | null
}

/** For whom a session waits. Once it has given up nothing in the database tells, so it is watched while it waits. */
export interface Blockers {
  /** Watches this session, too. */
  watch(client: pg.ClientBase): void
  /** Forgets what was seen. */
  clear(): void
  /** Who was seen last, and what helps. */
  describe(): string
  close(): Promise<void>
}

/** Looks every `everyMs`, on a connection of its own. Where there is none to be had, nobody is named. */
export async function watchBlockers(ownerUrl: string, everyMs: number): Promise<Blockers> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: 'postgraphile-wechat migrate, watching',
  })
  client.on('error', () => {})
  const ended = new AbortController()
  const pids = new Set<number>()
  let seen: Blocker[] = []

  async function look(): Promise<void> {
    while (!ended.signal.aborted) {
      const { rows } = await client.query<Blocker>(WAITED_FOR, [[...pids]])
      if (rows.length > 0) seen = rows
      await sleep(everyMs, undefined, { signal: ended.signal })
    }
  }
  const isConnected = await client.connect().then(
    () => true,
    () => false,
  )
  const looking = isConnected ? look().catch(() => {}) : undefined

  return {
    // The driver knows the number; its types do not.
    watch: watched => void pids.add((watched as unknown as { processID: number }).processID),
    clear: () => {
      seen = []
    },
    describe: () => describe(seen),
    async close() {
      ended.abort()
      await looking
      await client.end()
    },
  }
}

function describe(blockers: Blocker[]): string {
  if (blockers.length === 0) return 'Who holds the lock could not be seen: wait until that is over.'
  const names = blockers.map(({ pid, login, application, since }) => {
    if (pid === 0) return 'a prepared transaction (see pg_prepared_xacts)'
    const facts = [login, application && `"${application}"`, since && `since ${since.toISOString()}`]
    return `pid ${pid} (${facts.filter(Boolean).join(', ') || 'gone by now'})`
  })
  const pids = blockers.map(({ pid }) => pid).filter(pid => pid !== 0)
  const end = pids.map(pid => `select pg_terminate_backend(${pid});`).join(' ')
  return `The lock is held by ${names.join('; ')}. Wait until that is over${end && `, or end it: ${end}`}`
}
