import { readFileSync } from 'node:fs'
import pg from 'pg'
import { createDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'

// docs/admin.md, "Administrators": each case as it stands there, in psql's place.

const page = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8')
const [, section] = page.split(/^## Administrators$/m)
const snippets = [...section!.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql!)

test.each(servers)('on $name each case is solved by its statements', async server => {
  const db = await createDatabase({ server })
  const login = `olga_${Date.now()}`
  const url = new URL(db.ownerUrl)
  url.username = login
  url.password = 'of her own'
  const create = async (openid: string, appid: string, phone: string | null) => {
    const { id } = await db.row<{ id: string }>(
      `insert into auth.users (wechat_id, phone, phone_confirmed_at)
       values ($1, $2::text, case when $2::text is not null then now() end) returning id`,
      [openid, phone],
    )
    await db.rows('insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)', [
      id,
      appid,
      openid,
    ])
    return id
  }
  const ann = await create('o-ann', 'wxaa', '+8613800138000')
  const former = await create('o-former', 'wxaa', '+8613800138001')
  const bob = await create('o-bob', 'wxaa', '+8613800138002')
  const other = await create('o-bob-2', 'wxbb', null)
  await db.rows(
    `insert into auth.wechat_calls (appid, day, endpoint, errcode, calls)
     select 'wxaa', (now() at time zone 'Asia/Shanghai')::date - ago, 'getuserphonenumber', errcode, calls
     from (values (0, 0, 5), (0, 45011, 2), (40, 0, 1000)) v (ago, errcode, calls)`,
  )
  const [makesLogin, ...statements] = snippets
  await db.owner.query(makesLogin!.replaceAll('olga', login))
  const olga = new pg.Client({ connectionString: url.href })
  await olga.connect()
  try {
    const answers = []
    for (const statement of statements) answers.push((await olga.query(statement)).rows)
    const [
      who,
      story,
      owner,
      history,
      reassigned,
      unbound,
      dry,
      merged,
      log,
      banned,
      free,
      known,
      gone,
      month,
      today,
      ...rest
    ] = answers
    expect(rest).toEqual([])
    expect(who).toMatchObject([{ id: ann, wechat_id: 'o-ann' }])
    expect(story).toEqual([])
    expect(owner).toMatchObject([{ id: former }])
    expect(history).toMatchObject([{ user_id: former, how: 'sql', phone: '+8613800138001' }])
    expect(reassigned).toEqual([{ phone: '+8613800138001' }])
    expect(await db.row('select phone from auth.users where id = $1', [former])).toEqual({ phone: null })
    expect(unbound).toEqual([{ phone: null }])
    expect(dry).toContainEqual({ table: 'auth.identities', rows: '1' })
    expect(merged).toEqual(dry)
    expect(await db.row('select merged_into from auth.users where id = $1', [other])).toEqual({
      merged_into: bob,
    })
    expect(log).toMatchObject([{ details: { from: other, reason: 'one person, ticket 4714' } }])
    expect(banned).toEqual([{ banned_until: expect.any(Date) }])
    expect(free).toEqual([{ banned_until: null }])
    expect(JSON.parse(known![0].jsonb_pretty)).toMatchObject({
      user: { id: ann },
      phone_changes: expect.any(Array),
    })
    expect(gone).toEqual([{ deleted_at: expect.any(Date) }])
    expect(month).toEqual([{ appid: 'wxaa', taps: '5', cost: '0.15', calls: '7', failures: '2' }])
    expect(today).toEqual([
      { appid: 'wxaa', endpoint: 'getuserphonenumber', errcode: '0', calls: '5' },
      { appid: 'wxaa', endpoint: 'getuserphonenumber', errcode: '45011', calls: '2' },
    ])
    const { actors } = await db.row('select array_agg(distinct actor) as actors from auth.audit_log_entries')
    expect(actors).toEqual([`admin:${login}`])
  } finally {
    await olga.end()
    await db.rows(`drop role ${login}`)
    await db.drop()
  }
})
