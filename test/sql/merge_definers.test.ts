import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { breakRoutine } from './broken_definers.ts'
import { type Account, freshPhone, type MergeFixture, mergeFixture } from './merge_fixture.ts'

// A merge reaches two accounts. Whatever it forgets, a third one loses nothing by it.

const MERGE = 'auth_private.merge_users(uuid,uuid,text,uuid,text)'
const OWNED = 'auth_private.merge_owned_rows(regclass,name,text,uuid,uuid)'

/** What is forgotten, in which function, and what of it. */
const breakages: [what: string, routine: string, piece: string, replacement?: string][] = [
  ['who becomes a tombstone', MERGE, 'where u.id = p_from; update', '; update'],
  ['who was merged before', MERGE, 'where u.merged_into = p_from', ''],
  ['who survives', MERGE, 'where u.id = p_into returning', 'returning'],
  ['whose identities they are', MERGE, 'where i.user_id = p_from; get', '; get'],
  ['whose sessions', MERGE, 'where s.user_id = p_from', ''],
  ['whose codes', MERGE, 'where c.user_id = p_from', ''],
  ['whose history', MERGE, 'where p.user_id = p_from', ''],
  ['whose rows', OWNED, 'set %2$I = $2 where %2$I = $1', 'set %2$I = $2'],
  ['whose rows are dropped', OWNED, 'delete from %1$s where %3$I = $1 and', 'delete from %1$s where'],
]

describe.each(servers)('on $name', server => {
  let db: TestDatabase
  let fixture: MergeFixture
  let from: Account
  let into: Account
  let stranger: Account

  beforeAll(async () => {
    db = await createDatabase({ server })
    fixture = await mergeFixture(db)
    await db.owner.query(`create table public.things (user_id uuid, name text, unique (user_id, name));
      alter table public.things enable row level security;
      select auth.admin_register_owned_table('public.things', 'user_id', 'keep')`)
    stranger = await fixture.create({ phone: freshPhone() }, 'wx3333333333333333')
    const before = await fixture.create({ phone: freshPhone() }, 'wx4444444444444444')
    await fixture.merge(before.id, stranger.id)
    ;[from, into] = await fixture.createTwo({ phone: freshPhone() })
    for (const { id } of [stranger, from, into]) {
      await db.rows(`insert into public.things values ($1, 'a')`, [id])
      await db.rows(
        `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until, outcome, redeemed_at)
         values (sha256($1::text::bytea), 'wx', $1::text::uuid, gen_random_uuid(), now(), 'phone_exists', now())`,
        [id],
      )
    }
  })
  afterAll(async () => {
    await fixture.drop()
    await db.drop()
  })

  async function strangersRows(client: pg.PoolClient) {
    const { rows } = await client.query(
      `select (select jsonb_agg(u order by u.id) from auth.users u where $1 in (u.id, u.merged_into)) as people,
              (select jsonb_agg(i order by i.id) from auth.identities i where i.user_id = $1) as identities,
              (select jsonb_agg(s order by s.id) from auth.sessions s where s.user_id = $1) as sessions,
              (select jsonb_agg(p order by p.id) from auth.phone_changes p where p.user_id = $1) as phones,
              (select jsonb_agg(c) from auth_private.wechat_codes c where c.user_id = $1) as codes,
              (select jsonb_agg(t) from public.things t where t.user_id = $1) as things`,
      [stranger.id],
    )
    return rows[0]
  }

  /** Merges by a broken function; `owner`: in the hands of somebody whom no policy holds. */
  const afterMerging = (routine: string, piece: string, replacement: string, owner?: string) =>
    db.experiment(async client => {
      await breakRoutine(client, routine, [[piece, replacement]])
      if (owner) {
        await client.query(
          `alter function auth.admin_merge_users(uuid, uuid, text, boolean) owner to ${owner}`,
        )
        await client.query('drop index auth.users_phone_key')
      }
      const before = await strangersRows(client)
      await client.query('savepoint before')
      const error = await client
        .query('select auth.admin_merge_users($1, $2, $3)', [from.id, into.id, 'x'])
        .then(
          () => undefined,
          (reason: unknown) => reason,
        )
      if (error) await client.query('rollback to before')
      return { before, after: await strangersRows(client), error }
    })

  describe.each(breakages)('a merge that forgot %s', (_what, routine, piece, replacement = '') => {
    test("touches nothing of a third one's", async () => {
      const { before, after } = await afterMerging(routine, piece, replacement)
      expect(after).toEqual(before)
    })

    test('would, or would fail, if it were not for its owner', async () => {
      const { before, after, error } = await afterMerging(routine, piece, replacement, 'current_user')
      if (!error) expect(after).not.toEqual(before)
    })
  })

  test('who is merged when a phone is bound the session and the phone say, and no argument', async () => {
    await db.experiment(async client => {
      const { rows } = await client.query('select id from auth.sessions where user_id = $1', [from.id])
      await client.query(`select set_config('request.jwt.claims', $1, true)`, [
        JSON.stringify({ session_id: rows[0].id }),
      ])
      const { phone } = await fixture.user(stranger.id)
      // Whatever somebody has set before.
      await client.query(`select set_config('request.merge', $1, true)`, [`${into.id},${stranger.id}`])
      await client.query('select auth_private.merge_into_phone_owner($1, $2, $3)', [rows[0].id, 'wx1', phone])
      const merged = await client.query(
        'select id, merged_into from auth.users where merged_into = $1 and id = any ($2)',
        [stranger.id, [from.id, into.id]],
      )
      expect(merged.rows).toEqual([{ id: from.id, merged_into: stranger.id }])
    })
  })

  test('who is merged by a unionid WeChat says, and no argument', async () => {
    const unionid = randomUUID()
    await db.experiment(async client => {
      await client.query('update auth.users set wechat_unionid = $2 where id = $1', [into.id, unionid])
      await client.query(`select set_config('request.wechat', $1, true)`, [
        JSON.stringify({ appid: 'wx1111111111111111', openid: from.openid, unionid }),
      ])
      await client.query(`select set_config('request.merge', $1, true)`, [`${into.id},${stranger.id}`])
      const { rows } = await client.query('select auth_private.merge_by_unionid() as is_merged')
      expect(rows).toEqual([{ is_merged: true }])
      const { rows: merged } = await client.query(
        'select id from auth.users where merged_into is not null and id = any ($1)',
        [[from.id, into.id, stranger.id]],
      )
      // The one with the phone stays.
      expect(merged).toEqual([{ id: into.id }])
    })
  })
})
