import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { APP, claim, freshPhone, type Person, signIn, write } from './calls.ts'

/** A definer without one of its where clauses. */
export interface Breakage {
  /** What it forgot. */
  what: string
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

const withoutReturning = (where: string): [string, string] => [`${where} returning * into v_user`, '']

/** By the signatures of the functions. Where the white space is does not matter. */
export const broken: Record<string, Breakage[]> = {
  'auth_private.wechat_sign_in(text,text,text)': [
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
      call: client => signIn(client, randomUUID(), { app: 'wx2222222222222222' }),
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
  'auth_private.wechat_bind_phone(uuid,bytea[],uuid,text,text,text,jsonb,integer,text)': [
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
  'auth_private.refresh_session(uuid,bigint)': [
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
}

/** The definers that cannot break so, and why. */
export const exempt: Record<string, 'writes nothing' | 'knows no users' | 'any user, by design'> = {
  'auth_private.get_user(uuid)': 'writes nothing',
  'auth_private.request_claims(jsonb)': 'writes nothing',
  'auth_private.wechat_take_access_token(text,text,text,uuid,integer)': 'knows no users',
  'auth_private.wechat_put_access_token(text,text,uuid,text,integer)': 'knows no users',
  'auth_private.count_operations(text[],integer[],integer[])': 'knows no users',
  'auth.admin_bind_phone(uuid,text,text)': 'any user, by design',
  'auth.admin_unbind_phone(uuid,text)': 'any user, by design',
}

const bind = async (client: pg.PoolClient, caller: Person) =>
  expect(await write(client, caller, randomBytes(32), randomUUID(), 'phone', freshPhone())).toMatchObject({
    outcome: 'bound',
  })

async function refresh(client: pg.PoolClient, { sessionId }: Person, counter: number, state: string) {
  const { rows } = await client.query('select state from auth_private.refresh_session($1, $2)', [
    sessionId,
    counter,
  ])
  expect(rows).toEqual([{ state }])
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Breaks it for the rest of the transaction; it stays a definer, and its owner's. */
export async function breakDefiner(client: pg.PoolClient, definer: string, { pieces }: Breakage) {
  const look = async () => {
    const { rows } = await client.query<{ text: string; owner: string; prosecdef: boolean }>(
      `select pg_get_functiondef(oid) as text, proowner::regrole::text as owner, prosecdef
       from pg_proc where oid = $1::regprocedure`,
      [definer],
    )
    return rows[0]!
  }
  const before = await look()
  let { text } = before
  for (const [piece, replacement] of pieces) {
    const pattern = new RegExp(piece.split(' ').map(literally).join('\\s+'), 'g')
    expect(text).toMatch(pattern)
    text = text.replace(pattern, () => replacement)
  }
  await client.query(text)
  const { owner, prosecdef } = await look()
  expect({ owner, prosecdef }).toEqual({ owner: before.owner, prosecdef: true })
}
