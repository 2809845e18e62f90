import { createDatabase, type TestDatabase } from '../support/database.ts'
import { servers } from '../support/servers.ts'
import { freshPhone, type MergeFixture, mergeFixture } from './merge_fixture.ts'

// auth.admin_export_user: all that there is about a person, and nothing about anybody else.

let db: TestDatabase
let fixture: MergeFixture

describe.each(servers)('on $name', server => {
  beforeAll(async () => {
    db = await createDatabase({ server })
    fixture = await mergeFixture(db)
    await db.owner.query(`
      insert into auth_private.webhooks default values;
      create table public.notes (user_id uuid references auth.users on delete cascade, friend uuid references auth.users, body text);
      create index on public.notes (user_id);
      create index on public.notes (friend);
      alter table public.notes enable row level security;
      select auth.admin_register_owned_table('public.notes', 'user_id', 'move');
      select auth.admin_register_owned_table('public.notes', 'friend', 'move');
      create table public.profiles (user_id uuid primary key references auth.users on delete cascade, name text);
      select auth.admin_register_owned_table('public.profiles', 'user_id', 'keep')`)
  })
  afterAll(async () => {
    await fixture.drop()
    await db.drop()
  })

  const exportOf = async (id: string) =>
    (await fixture.admin.query('select auth.admin_export_user($1) as told', [id])).rows[0].told

  /** Somebody with something in every table, and another account that was merged into his. */
  async function person(appid: string) {
    const phone = freshPhone()
    const { id, openid } = await fixture.create({ phone, user_metadata: '{"name": "Ann"}' }, appid)
    const former = await fixture.create({}, `${appid.slice(0, -1)}e`)
    for (const owner of [id, former.id]) {
      await db.rows(
        `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until, outcome, redeemed_at)
         values (sha256($1::text::bytea), $2, $1::text::uuid, gen_random_uuid(), now(), 'phone_exists', now())`,
        [owner, appid],
      )
      await db.rows(
        `with event as (
           insert into auth_private.events (type, user_id, data) values ('phone.bound', $1, jsonb_build_object('phone', $2::text)) returning id)
         insert into auth_private.deliveries (webhook_id, event_id, user_id)
         select w.id, e.id, $1 from auth_private.webhooks w, event e`,
        [owner, phone],
      )
      await db.rows(
        `insert into auth.audit_log_entries (action, user_id, actor) values ('user_signed_in', $1, 'user')`,
        [owner],
      )
      await db.rows(`insert into public.notes values ($1, null, 'hers'), (null, $1, 'about her')`, [owner])
      await db.rows(`insert into public.profiles values ($1, 'x')`, [owner])
    }
    await db.rows(
      `insert into auth_private.wechat_pushes (appid, event, openid, create_time) values ($1, 'user_info_modified', $2, now())`,
      [appid, openid],
    )
    await fixture.merge(former.id, id)
    return { id, former: former.id, openid, formerOpenid: former.openid, phone }
  }

  test('what is about a person, in whatever table, is in it, and nothing of others', async () => {
    const ann = await person('wxaaaaaaaaaaaaaaaa')
    const bob = await person('wxbbbbbbbbbbbbbbbb')
    const told = await exportOf(ann.id)

    // By the letter: wherever an id, an openid or the phone of hers stands.
    const marks = [ann.id, ann.former, ann.openid, ann.formerOpenid, ann.phone]
    const tables = await db.rows<{ name: string; isOurs: boolean }>(
      `select format('%I.%I', n.nspname, c.relname) as name, n.nspname <> 'public' as "isOurs"
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname in ('auth', 'auth_private', 'public')`,
    )
    const counts: Record<string, number> = {}
    for (const { name, isOurs } of tables) {
      const { n } = await db.row<{ n: number }>(
        `select count(*)::int as n from ${name} t
         where exists (select from unnest($1::text[]) m where strpos(to_jsonb(t)::text, m) > 0)`,
        [marks],
      )
      if (n > 0) counts[isOurs ? name.replace(/.*\./, '') : name] = n
    }
    const { user, merged_accounts, codes, exported_at: _time, tables: owned, ...arrays } = told
    const found = {
      users: 1 + merged_accounts.length,
      wechat_codes: codes.length,
      ...Object.fromEntries(
        Object.entries({ ...arrays, ...owned }).map(([name, rows]) => [name, (rows as unknown[]).length]),
      ),
    }
    expect(found).toEqual(counts)
    expect(user).toMatchObject({ id: ann.id, phone: ann.phone, user_metadata: { name: 'Ann' } })
    for (const mark of [bob.id, bob.former, bob.openid, bob.phone])
      expect(JSON.stringify(told)).not.toContain(mark)
  })

  test('not what is of use here alone', async () => {
    const { id } = await person('wxcccccccccccccccc')
    const told = JSON.stringify(await exportOf(id))
    for (const name of ['code_hash', 'claim_id', 'refresh_counter']) expect(told).not.toContain(name)
  })

  test('it leaves an audit entry', async () => {
    const { id } = await fixture.create()
    await exportOf(id)
    expect(
      await db.rows('select action, actor from auth.audit_log_entries where user_id = $1', [id]),
    ).toEqual([{ action: 'user_exported', actor: fixture.actor }])
  })

  test('of a deleted user it tells what is left; of nobody, nothing', async () => {
    const { id } = await person('wxdddddddddddddddd')
    await fixture.admin.query(`select auth.admin_delete_user($1, 'asked for it')`, [id])
    const { user, phone_changes, events } = await exportOf(id)
    expect(user).toMatchObject({ phone: null, user_metadata: {} })
    expect(phone_changes).toEqual([])
    expect(JSON.stringify(events)).not.toContain('phone":')
    for (const nobody of [null, '00000000-0000-4000-8000-000000000000'])
      await expect(exportOf(nobody as string)).rejects.toMatchObject({ code: 'WX005' })
  })
})
