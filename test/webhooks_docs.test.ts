import { readFileSync } from 'node:fs'
import { createAdmin } from './sql/admin_login.ts'
import { createDatabase } from './support/database.ts'
import { secret } from './support/leaks.ts'

// docs/webhooks.md: its statements, in their order, as an administrator.

const page = readFileSync(new URL('../docs/webhooks.md', import.meta.url), 'utf8')
const [add, ...statements] = [...page.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, statement]) => statement!)

test('each statement of the page does what stands beside it', async () => {
  const db = await createDatabase()
  const { pool, drop } = await createAdmin(db)
  try {
    const { rows } = await pool.query<{ id: string; secret: string }>(add!)
    secret(rows[0]!.secret)
    await db.rows('insert into auth_private.webhooks default values')
    await db.rows(`insert into auth_private.events (type, user_id)
                   select 'phone.bound', gen_random_uuid() from generate_series(1, 3)`)
    await db.rows('select auth_private.relay_events(10)')
    await db.rows(`update auth_private.deliveries set state = 'failed'`)
    const answers = []
    for (const statement of statements) answers.push((await pool.query(statement)).rows)
    const [list, failed, one, all, removed, removedTask] = answers
    expect(list).toMatchObject([{ id: rows[0]!.id, failed: '3' }, { url: null }])
    expect(failed).toHaveLength(3)
    expect([one, all]).toEqual([[{ admin_replay_deliveries: 1 }], [{ admin_replay_deliveries: 2 }]])
    expect([removed, removedTask].map(answer => answer!.length)).toEqual([1, 1])
    expect(await db.rows('select from auth_private.webhooks')).toEqual([])
    expect(answers).toHaveLength(6)
  } finally {
    await drop()
    await db.drop()
  }
})
