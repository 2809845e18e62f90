import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { APP, claim, freshPhone, type Person, signIn, write } from './calls.ts'

/** A definer without one of its where clauses. */
export interface Breakage {
  /** What it forgot. */
  what: string
  /** What forgot it, where that is a function which the definer calls. */
  inside?: string
  /** Pieces of the body, and what stands in their place. */
  pieces: [piece: string, replacement: string][]
  /** Calls it for this user. */
  call(client: pg.PoolClient, caller: Person): Promise<unknown>
  /** Done before, as the owner: so that nothing but row-level security is in the way. */
  before?: (caller: Person) => [statement: string, values?: unknown[]]
  /** It fails, rather than to do half of it. */
  refused?: true
  /** Claims of others that have no outcome yet, and codes that WeChat refused, become the caller's. */
  takesClaims?: true
}

const FORGET_IDENTITY = 'auth_private.forget_identity(auth_private.wechat_pushes,uuid)'
const OTHER_APP = 'wx2222222222222222'

const withoutReturning = (where: string): [string, string] => [`${where} returning * into v_user`, '']

/** By the signatures of the functions. Where the white space is does not matter. */
export const broken: Record<string, Breakage[]> = {
  'auth_private.wechat_sign_in(text,text,text,boolean)': [
    {
      what: 'whose other sessions it ends',
      pieces: [['s.user_id = v_user_id and', '']],
      call: (client, { openid }) =>
        client.query('select auth_private.wechat_sign_in($1, $2, null, true)', [APP, openid]),
    },
    {
      what: 'whose last sign-in it notes',
      pieces: [withoutReturning('where u.id = v_user_id')],
      call: (client, { openid }) => signIn(client, openid),
    },
    {
      what: 'which identity it notes that of',
      pieces: [[`where i.provider = 'wechat_mini' and i.appid = p_appid and i.provider_id = p_openid`, '']],
      call: (client, { openid }) => signIn(client, openid),
    },
    {
      what: 'that a user of the same unionid is meant, and signs a new openid in as one who has a phone',
      pieces: [
        [
          'where u.wechat_unionid = p_unionid and u.deleted_at is null and u.merged_into is null and not exists (select from auth.identities i where i.user_id = u.id and i.appid = p_appid)',
          'order by u.phone nulls last',
        ],
      ],
      call: client => signIn(client, randomUUID(), { app: OTHER_APP }),
    },
  ],
  'auth_private.wechat_claim_code(uuid,bytea[],text,uuid,integer)': [
    {
      what: 'which claim it takes over',
      pieces: [
        [
          'where c.code_hash = v_code.code_hash and c.claim_id = v_code.claim_id and c.claimed_until = v_code.claimed_until and c.outcome is null',
          '',
        ],
      ],
      before: ({ userId }) => [
        `insert into auth_private.wechat_codes (code_hash, appid, user_id, claim_id, claimed_until)
         values (sha256('abandoned'), $1, $2, gen_random_uuid(), '-infinity')`,
        [APP, userId],
      ],
      call: async (client, caller) => {
        const { rows } = await client.query(`select sha256('abandoned') as code`)
        expect(await claim(client, caller, rows[0].code, randomUUID())).toMatchObject({ state: 'claimed' })
      },
      takesClaims: true,
    },
  ],
  'auth_private.wechat_bind_phone(uuid,bytea[],uuid,text,text,text,jsonb,integer,text,boolean)': [
    {
      what: 'whose phone it is',
      pieces: [withoutReturning('where u.id = v_user.id')],
      before: () => ['drop index auth.users_phone_key'],
      call: (client, caller) => bind(client, caller),
    },
    {
      what: 'which code it was, and that this one is spent',
      pieces: [
        ['where c.code_hash = any (p_code_hashes)', `where c.outcome = 'bound'`],
        [`if v_code.outcome <> 'wechat_code_invalid' or`, 'if'],
      ],
      call: (client, caller) => bind(client, caller),
      refused: true,
    },
  ],
  'auth_private.wechat_unbind_phone(uuid)': [
    {
      what: 'whose phone it takes away',
      pieces: [withoutReturning('where u.id = v_user.id')],
      before: ({ userId }) => [
        `update auth.users set phone = $2, phone_confirmed_at = now() where id = $1`,
        [userId, freshPhone()],
      ],
      call: (client, { sessionId }) =>
        client.query('select auth_private.wechat_unbind_phone($1)', [sessionId]),
    },
  ],
  'auth_private.wechat_release_code(bytea[],uuid,boolean)': [
    {
      what: 'which claim it gives back',
      pieces: [
        ['where c.code_hash = any (p_code_hashes) and c.claim_id = p_claim_id and c.outcome is null', ''],
      ],
      call: client =>
        client.query('select auth_private.wechat_release_code($1, $2, false)', [
          [randomBytes(32)],
          randomUUID(),
        ]),
      refused: true,
    },
  ],
  'auth_private.refresh_session(uuid,bigint,integer,integer)': [
    {
      what: 'which session it ends, when its time is over',
      pieces: [['delete from auth.sessions s where s.id = p_session_id', 'delete from auth.sessions s']],
      before: ({ sessionId }) => [
        `update auth.sessions set created_at = now() - interval '1 hour' where id = $1`,
        [sessionId],
      ],
      call: (client, caller) => refresh(client, caller, 0, 'session_expired', 60),
    },
    {
      what: 'which session it refreshes',
      pieces: [['refreshed_at = now() where s.id = p_session_id', 'refreshed_at = now()']],
      call: (client, caller) => refresh(client, caller, 0, 'refreshed'),
    },
    {
      what: 'which session it ends, when a token is used again',
      pieces: [['delete from auth.sessions s where s.id = p_session_id', 'delete from auth.sessions s']],
      before: ({ sessionId }) => [
        `update auth.sessions set refresh_counter = 5, refreshed_at = now() - interval '1 hour' where id = $1`,
        [sessionId],
      ],
      call: (client, caller) => refresh(client, caller, 1, 'refresh_token_already_used'),
    },
  ],
  'auth_private.sign_out(uuid,text)': [
    {
      what: 'whose sessions it ends',
      pieces: [['s.user_id = v_user.id and', '']],
      call: (client, { sessionId }) =>
        client.query(`select auth_private.sign_out($1, 'global')`, [sessionId]),
    },
  ],
  'auth_private.update_user(uuid,jsonb)': [
    {
      what: 'whose metadata it is',
      pieces: [withoutReturning('where u.id = v_user.id')],
      call: (client, { sessionId }) =>
        client.query(`select auth_private.update_user($1, '{"name": "a name"}')`, [sessionId]),
    },
  ],
  'auth_private.wechat_bind_account(uuid,text,text,text)': [
    {
      what: 'whose openid it is',
      pieces: [withoutReturning('where u.id = v_user.id')],
      call: (client, { sessionId }) =>
        client.query('select auth_private.wechat_bind_account($1, $2, $3, null)', [
          sessionId,
          OTHER_APP,
          randomUUID(),
        ]),
    },
  ],
  'auth_private.unlink_identity(uuid,uuid)': [
    {
      what: 'which identity it takes away',
      pieces: [['where i.id = p_identity_id and i.user_id = v_user.id returning * into v_identity', '']],
      before: secondIdentity,
      call: unlink,
    },
    {
      what: 'from whom',
      pieces: [withoutReturning('where u.id = v_user.id')],
      before: secondIdentity,
      call: unlink,
    },
  ],
  'auth_private.delete_user(uuid)': [
    ['whom it deletes', 'updated_at = now() where u.id = v_user.id', 'updated_at = now()'],
    ['whose identities it makes useless', 'where i.user_id = v_user.id', ''],
    ['whose history of phones it empties', 'where p.user_id = v_user.id', ''],
    ['whose sessions it ends', 'where s.user_id = v_user.id', ''],
    [
      'whose phones it takes out of events',
      'where e.user_id = any (array(select u.id from auth.users u where p_user_id in (u.id, u.merged_into))) and',
      'where',
      'auth_private.forget_told_phones(uuid)',
    ],
  ].map(([what, piece, replacement, inside = 'auth_private.delete_user(uuid)']) => ({
    what: what!,
    pieces: [[piece!, replacement!]],
    inside,
    call: (client, { sessionId }) => client.query('select auth_private.delete_user($1)', [sessionId]),
  })),
  'auth_private.wechat_apply_push(bigint)': [
    {
      what: 'which push is done',
      pieces: [['done_at = now() where p.id = p_push_id', 'done_at = now()']],
      call: push('user_authorization_revoke', '{8}'),
    },
    ...[
      ['whose phone it takes', 'where u.id = any (v_ids) and u.phone is not null', ''],
      ['whose events it changes', 'e.user_id = any (v_ids) and', ''],
      ['whose entries it changes', `where a.user_id = any (v_ids) and a.details::text like '%****%'`, ''],
    ].map(([what, piece, replacement]) => ({
      what: what!,
      inside: 'auth_private.forget_phone()',
      pieces: [[piece!, replacement!]] as [string, string][],
      call: push('user_authorization_revoke', '{8}'),
    })),
    ...[
      ['whom it deletes', 'where u.id = any (auth_private.push_user_ids()) and u.deleted_at is null', ''],
      ['whose sessions it ends', 'where s.user_id = p_user_id', ''],
      [
        'whose identities it makes useless',
        `updated_at = now() where i.user_id = any (auth_private.push_user_ids())`,
        'updated_at = now()',
      ],
    ].map(([what, piece, replacement]) => ({
      what: what!,
      inside: FORGET_IDENTITY,
      pieces: [[piece!, replacement!]] as [string, string][],
      call: push('user_authorization_cancellation'),
    })),
    {
      what: 'which identity it takes away',
      inside: FORGET_IDENTITY,
      pieces: [['delete from auth.identities i where i.id = v_identity_id', 'delete from auth.identities i']],
      before: secondIdentity,
      call: push('user_authorization_cancellation'),
    },
    {
      what: 'from whom',
      inside: FORGET_IDENTITY,
      pieces: [['updated_at = now() where u.id = p_user_id', 'updated_at = now()']],
      before: secondIdentity,
      call: push('user_authorization_cancellation'),
    },
  ],
}

/** The definers that cannot break so, and why. */
export const exempt: Record<
  string,
  | 'writes nothing'
  | 'knows no users'
  | 'changes no user'
  | 'any user, by design'
  | 'two users, see merge_definers.test.ts'
  | 'one user, see export.test.ts'
> = {
  'auth_private.get_user(uuid)': 'writes nothing',
  'auth_private.request_claims(jsonb)': 'writes nothing',
  'auth_private.access_token_claims(uuid,jsonb)': 'writes nothing',
  'auth_private.access_token_claims(uuid,timestamp with time zone,jsonb,jsonb)': 'writes nothing',
  'auth_private.custom_claims(jsonb)': 'writes nothing',
  'auth_private.admin_list_users(integer,integer,uuid,text[],text)': 'writes nothing',
  'auth_private.admin_get_user(uuid)': 'writes nothing',
  'auth_private.admin_list_sessions(uuid)': 'writes nothing',
  'auth_private.admin_list_audit(integer,integer,uuid,text)': 'writes nothing',
  'auth_private.metrics(text[],text)': 'writes nothing',
  'auth.admin_list_webhooks()': 'writes nothing',
  'auth.admin_list_failed_deliveries(uuid,integer)': 'writes nothing',
  'auth_private.wechat_take_access_token(text,text,text,uuid,integer,integer)': 'knows no users',
  'auth_private.wechat_fail_access_token(text,text,uuid,jsonb,integer)': 'knows no users',
  'auth_private.wechat_force_access_token(text,text,uuid,integer,integer)': 'knows no users',
  'auth_private.wechat_put_access_token(text,text,uuid,text,integer)': 'knows no users',
  'auth_private.count_operations(text[],integer[],integer[])': 'knows no users',
  'auth_private.wechat_count_calls(uuid,bigint,text[],date[],text[],bigint[],bigint[],numeric)':
    'knows no users',
  'auth_private.settle_constraints()': 'knows no users',
  'auth_private.wechat_receive_push(text,text,text,text[],timestamp with time zone)': 'knows no users',
  'auth.admin_bind_phone(uuid,text,text)': 'any user, by design',
  'auth.admin_unbind_phone(uuid,text)': 'any user, by design',
  'auth.admin_reassign_phone(uuid,text,text)': 'any user, by design',
  'auth.admin_export_user(uuid)': 'one user, see export.test.ts',
  'auth.admin_merge_users(uuid,uuid,text,boolean)': 'two users, see merge_definers.test.ts',
  'auth_private.merge_by_unionid()': 'two users, see merge_definers.test.ts',
  'auth_private.merge_into_phone_owner(uuid,text,text)': 'two users, see merge_definers.test.ts',
  'auth.admin_ban_user(uuid,timestamp with time zone,text)': 'any user, by design',
  'auth.admin_delete_user(uuid,text,boolean)': 'any user, by design',
  'auth.support_reveal_phone(uuid,text)': 'any user, by design',
  'auth_private.admin_create_user(uuid,jsonb,text)': 'any user, by design',
  'auth_private.admin_update_user(uuid,jsonb,text)': 'any user, by design',
  'auth_private.admin_delete_user(uuid,text,boolean)': 'any user, by design',
  'auth_private.admin_end_sessions(uuid,uuid,text)': 'any user, by design',
  'auth.admin_add_webhook(text,text[],text)': 'changes no user',
  'auth.admin_remove_webhook(uuid)': 'changes no user',
  'auth.admin_replay_deliveries(uuid,bigint[])': 'changes no user',
}

const bind = async (client: pg.PoolClient, caller: Person) =>
  expect(await write(client, caller, randomBytes(32), randomUUID(), 'phone', freshPhone())).toMatchObject({
    outcome: 'bound',
  })

async function refresh(
  client: pg.PoolClient,
  { sessionId }: Person,
  counter: number,
  state: string,
  timebox: number | null = null,
) {
  const { rows } = await client.query('select state from auth_private.refresh_session($1, $2, $3, null)', [
    sessionId,
    counter,
    timebox,
  ])
  expect(rows).toEqual([{ state }])
}

/** The job of a push that is about the caller. */
function push(event: string, revokeInfo = '{}') {
  return async (client: pg.PoolClient, { openid }: Person) => {
    const { rows } = await client.query(
      `insert into auth_private.wechat_pushes (appid, event, openid, revoke_info, create_time)
       values ($1, $2, $3, $4, now()) returning id`,
      [APP, event, openid, revokeInfo],
    )
    await client.query('select auth_private.wechat_apply_push($1)', [rows[0].id])
  }
}

function secondIdentity({ userId }: Person): [string, unknown[]] {
  return [
    'insert into auth.identities (user_id, appid, provider_id) values ($1, $2, $3)',
    [userId, OTHER_APP, randomUUID()],
  ]
}

function unlink(client: pg.PoolClient, { userId, sessionId }: Person) {
  return client.query(
    'select auth_private.unlink_identity($1, i.id) from auth.identities i where i.user_id = $2 and i.appid = $3',
    [sessionId, userId, APP],
  )
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Breaks it for the rest of the transaction; it stays a definer, and its owner's. */
export async function breakDefiner(
  client: pg.PoolClient,
  definer: string,
  { pieces, inside = definer }: Breakage,
) {
  expect(await breakRoutine(client, inside, pieces)).toMatchObject({ prosecdef: inside === definer })
}

/** Puts something else in the place of pieces of its body, for the rest of the transaction; its owner stays. */
export async function breakRoutine(client: pg.PoolClient, routine: string, pieces: Breakage['pieces']) {
  const look = async () => {
    const { rows } = await client.query<{ text: string; owner: string; prosecdef: boolean }>(
      `select pg_get_functiondef(oid) as text, proowner::regrole::text as owner, prosecdef
       from pg_proc where oid = $1::regprocedure`,
      [routine],
    )
    return rows[0]!
  }
  let { text, ...before } = await look()
  for (const [piece, replacement] of pieces) {
    const pattern = new RegExp(piece.split(' ').map(literally).join('\\s+'), 'g')
    expect(text).toMatch(pattern)
    text = text.replace(pattern, () => replacement)
  }
  await client.query(text)
  const { text: _text, ...after } = await look()
  expect(after).toEqual(before)
  return after
}
