import { readFileSync } from 'node:fs'
import { decodeJwt } from 'jose'
import { type Answer, freshOpenid, graphql, loginCode, post, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// What the application's own function makes of the claims of an access token.

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  await db.rows(
    'create table public.sightings (claims jsonb); grant insert on public.sightings to auth_claims',
  )
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})
afterEach(() => db.rows('drop function if exists public.custom_access_token(jsonb)'))

const define = (body: string, options = '') =>
  db.rows(`create function public.custom_access_token(claims jsonb) returns jsonb language plpgsql ${options} as $$ begin ${body} end $$;
           grant execute on function public.custom_access_token(jsonb) to auth_claims`)

const login = async (openid = freshOpenid()): Promise<Answer> =>
  post(`${node.url}/auth/v1/wechat_mini/login`, { code: await loginCode(simulator, openid) })
const refresh = (refreshToken: string) =>
  post(`${node.url}/auth/v1/token?grant_type=refresh_token`, { refresh_token: refreshToken })

const FIXED = ['iss', 'sub', 'aud', 'exp', 'iat', 'role', 'session_id']

test('without it the claims are GoTrue’s', async () => {
  const { body } = await login()
  expect(decodeJwt(body.access_token)).toEqual({
    iss: 'http://site.test/auth/v1',
    sub: body.user.id,
    aud: 'authenticated',
    exp: body.expires_at,
    iat: body.expires_at - 3600,
    phone: '',
    app_metadata: { provider: 'wechat_mini', providers: ['wechat_mini'] },
    user_metadata: {},
    role: 'authenticated',
    aal: 'aal1',
    amr: [{ method: 'wechat_mini', timestamp: expect.any(Number) }],
    session_id: expect.any(String),
    is_anonymous: false,
  })
})

test('it is given all of them, and its answer is in the token, at the sign-in and at every refresh', async () => {
  await define(`return claims - 'user_metadata' || jsonb_build_object('tenant', 'a', 'seen', claims);`)
  const signedIn = await login()
  const refreshed = await refresh(signedIn.body.refresh_token)
  for (const { body } of [signedIn, refreshed]) {
    const { seen, ...claims } = decodeJwt(body.access_token)
    expect(claims).toMatchObject({ tenant: 'a', sub: body.user.id, phone: '' })
    expect(claims).not.toHaveProperty('user_metadata')
    expect(Object.keys(seen as object)).toEqual(
      expect.arrayContaining([...FIXED, 'app_metadata', 'user_metadata', 'amr', 'aal', 'phone']),
    )
    const user = await send(`${node.url}/auth/v1/user`, { token: body.access_token })
    expect(user.status).toBe(200)
  }
})

test('row-level security of the application sees them', async () => {
  await define(`return claims || '{"tenant": "a"}';`)
  await db.rows(`create table public.notes (id integer primary key, tenant text);
    alter table public.notes enable row level security;
    create policy of_the_tenant on public.notes for select to authenticated using (tenant = auth.jwt() ->> 'tenant');
    grant select on public.notes to authenticated;
    insert into public.notes values (1, 'a'), (2, 'b')`)
  const own = await startNode({ db, wechatUrl: simulator.url })
  try {
    const { body } = await login()
    const answer = await graphql(own, '{ allNotes { nodes { rowId } } }', {}, body.access_token)
    expect(answer.body).toEqual({ data: { allNotes: { nodes: [{ rowId: 1 }] } } })
  } finally {
    await own.close()
    await db.rows('drop table public.notes')
  }
})

test.each(['changed', 'taken away'])('what says whose token it is stays, also where it is %s', async how => {
  await define(
    how === 'changed'
      ? `return claims || '{"iss": "x", "sub": "x", "aud": "x", "exp": 1, "iat": "x", "role": "service_role", "session_id": "x"}';`
      : `return '{}';`,
  )
  const { body } = await login()
  const claims = decodeJwt(body.access_token)
  expect(claims).toMatchObject({
    iss: 'http://site.test/auth/v1',
    sub: body.user.id,
    aud: 'authenticated',
    exp: body.expires_at,
    iat: expect.any(Number),
    role: 'authenticated',
    session_id: expect.any(String),
  })
  expect((await send(`${node.url}/auth/v1/user`, { token: body.access_token })).status).toBe(200)
})

const failures: [what: string, body: string][] = [
  ['fails', `raise exception 'no luck';`],
  ['fails in the words of the service', `raise exception 'banned' using errcode = 'WX004';`],
  ['answers nothing', 'return null;'],
  ['answers a list', `return '[]';`],
  ['answers 11,000 bytes', `return jsonb_build_object('a', repeat('x', 11000));`],
  ['reads what it may not', 'return claims || (select to_jsonb(u) from auth.users u limit 1);'],
  ['writes what it may not', `update auth.users set banned_until = 'infinity'; return claims;`],
  ['writes a table of its own', 'insert into public.sightings values (claims); return claims;'],
  ['makes a table that goes with the session', 'create temporary table seen (); return claims;'],
  ['becomes somebody', `set local role service_role; return claims;`],
  ['becomes nobody', `reset role; return claims;`],
  [
    'reads what belongs to the service',
    'return claims || jsonb_build_object($q$x$q$, (select count(*) from auth_private.events));',
  ],
]

test.each(failures)('where it %s there is no token, and nothing has happened', async (_what, body) => {
  const known = await signIn(node, simulator)
  const before = await db.row(
    'select (select count(*) from auth.users) as u, (select count(*) from auth.sessions) as s, (select sum(refresh_counter) from auth.sessions) as c, (select count(*) from auth_private.events) as e, (select count(*) from auth.audit_log_entries) as a',
  )
  await define(body)
  const signedIn = await login()
  expect(signedIn.body).toEqual({
    code: 500,
    error_code: 'unexpected_failure',
    msg: expect.any(String),
    error_id: expect.any(String),
  })
  expect(signedIn.status).toBe(500)
  // On 500 MemFire's client would throw its session away.
  const refreshed = await refresh(known.refreshToken)
  expect(refreshed).toMatchObject({ status: 503, body: { error_code: 'unexpected_failure' } })
  expect(refreshed.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(
    await db.row(
      'select (select count(*) from auth.users) as u, (select count(*) from auth.sessions) as s, (select sum(refresh_counter) from auth.sessions) as c, (select count(*) from auth_private.events) as e, (select count(*) from auth.audit_log_entries) as a',
    ),
  ).toEqual(before)

  await db.rows('drop function public.custom_access_token(jsonb)')
  expect((await refresh(known.refreshToken)).status).toBe(200)
})

test('it runs as auth_claims', async () => {
  await define(
    `return claims || jsonb_build_object('ran_as', current_user, 'path', current_setting('search_path'));`,
  )
  const { body } = await login()
  expect(decodeJwt(body.access_token)).toMatchObject({ ran_as: 'auth_claims', path: 'pg_catalog, pg_temp' })
})

test('what it sets for the transaction changes nobody', async () => {
  await define(
    `perform set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000000"}', true);
     perform set_config('request.wechat', '{}', true); return claims;`,
  )
  const { body, status } = await login()
  expect(status).toBe(200)
  expect(decodeJwt(body.access_token).sub).toBe(body.user.id)
})

test('what it sets for the session is gone when it is over, for whoever gets the connection next', async () => {
  const own = await startNode({ db, wechatUrl: simulator.url, env: { DATABASE_POOL_SIZE: '1' } })
  const settings = async () =>
    (
      await own.services.db.pool.query(
        `select current_setting('row_security') as row_security, current_setting('search_path') as path,
                current_setting('statement_timeout') as timeout, current_setting('default_transaction_read_only') as default,
                nullif(current_setting('request.claim_id', true), '') as claim,
                nullif(current_setting('request.jwt.claims', true), '') as claims`,
      )
    ).rows
  try {
    const before = await settings()
    await define(
      `perform set_config(s.name, s.value, is_local) from unnest('{false,true}'::boolean[]) as l (is_local), (values
         ('row_security', 'off'), ('search_path', 'somewhere'), ('statement_timeout', '1h'),
         ('default_transaction_read_only', 'on'), ('request.claim_id', 'no uuid'), ('request.jwt.claims', '{"sub": "x"}')
       ) as s (name, value);
       return claims;`,
    )
    const code = await loginCode(simulator, freshOpenid())
    expect((await post(`${own.url}/auth/v1/wechat_mini/login`, { code })).status).toBe(200)
    expect(await settings()).toEqual(before)
  } finally {
    await own.close()
  }
})

test('a token that its nbf would make useless is none', async () => {
  await define(`return claims || '{"nbf": 99999999999}';`)
  const { body } = await login()
  expect(decodeJwt(body.access_token)).not.toHaveProperty('nbf')
  expect((await send(`${node.url}/auth/v1/user`, { token: body.access_token })).status).toBe(200)
})

test('a function of this name with another signature is the application’s own affair', async () => {
  await db.rows(
    `create function public.custom_access_token(claims json) returns json language sql as 'select null::json'`,
  )
  expect((await login()).status).toBe(200)
  await db.rows('drop function public.custom_access_token(json)')
})

test('GraphQL does not show it', async () => {
  await define('return claims;')
  const own = await startNode({ db, wechatUrl: simulator.url })
  try {
    const { body } = await graphql(
      own,
      '{ __schema { queryType { fields { name } } mutationType { fields { name } } } }',
    )
    const { queryType, mutationType } = body.data.__schema
    const names: string[] = [...queryType.fields, ...mutationType.fields].map(({ name }) => name)
    expect(names.filter(name => /custom/i.test(name))).toEqual([])
    expect(names).toContain('currentUser')
  } finally {
    await own.close()
  }
})

test('the example of docs/sessions.md does what it says', async () => {
  const page = readFileSync(new URL('../../docs/sessions.md', import.meta.url), 'utf8')
  await db.rows(/^```sql\n(.*?)^```$/ms.exec(page)![1]!)
  try {
    const { body } = await login()
    expect(decodeJwt(body.access_token)).toMatchObject({ tenant: null, sub: body.user.id })
    await db.rows(`insert into public.members values ($1, 'a tenant')`, [body.user.id])
    const refreshed = await refresh(body.refresh_token)
    expect(decodeJwt(refreshed.body.access_token)).toMatchObject({ tenant: 'a tenant', sub: body.user.id })
    const claims = [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| .* \|$/gm)]
      .flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name))
      .filter(name => !name!.startsWith('SESSION_'))
    expect(claims.sort()).toEqual(
      Object.keys(decodeJwt(body.access_token))
        .filter(name => name !== 'tenant')
        .sort(),
    )
  } finally {
    await db.rows('drop function public.custom_access_token(jsonb); drop table public.members')
  }
})
