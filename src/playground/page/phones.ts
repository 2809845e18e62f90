import { signal } from '@preact/signals'
import {
  bindPhone,
  currentUser,
  type Operation,
  qrcode,
  refreshSession,
  type Session,
  signIn,
  signOut,
  type User,
  unbindPhone,
} from './operations.ts'
import { type Failure, perform, type Result } from './perform.ts'
import { killTokens, tap, wxLogin } from './simulator.ts'
import { remember, remembered } from './storage.ts'
import { isOn } from './switches.ts'

export interface Person {
  id: 'alice' | 'bob'
  openid: string
  /** National digits of the mainland. */
  phone: string
}
const alice: Person = { id: 'alice', openid: 'o-alice', phone: '13800138000' }
const bob: Person = { id: 'bob', openid: 'o-bob', phone: '13900139000' }
/** Holds the number that is taken. */
const carol = { openid: 'o-carol', phone: '13700137000' }
const FOREIGN = '+85251234567'

export const DEVICES = { alice1: alice, alice2: alice, bob1: bob } as const
export type DeviceId = keyof typeof DEVICES

/** What the phone tells its user. */
export type Notice = { kind: 'bound' | 'signedOut' | 'declined' } | { kind: 'failure'; failure: Failure }

export interface Phone {
  session?: { accessToken: string; refreshToken: string } | undefined
  /** Of the last session: who has signed out may still look at what is stored of him. */
  formerToken?: string | undefined
  user?: User | undefined
  notice?: Notice | undefined
  /** The code of a tap about which the phone knows no outcome yet. */
  pendingCode?: string | undefined
  isBusy?: boolean
  sheet?: boolean
  /** A data URL. */
  qrcode?: string | undefined
}

export const deviceId = signal(remembered<DeviceId>('device', 'alice1'))
export const phones = signal<Record<DeviceId, Phone>>({ alice1: {}, alice2: {}, bob1: {} })

/** Failures after which the same code is still worth something. */
const SAME_CODE = new Set([
  'no_answer',
  'wechat_unavailable',
  'database_unavailable',
  'over_request_rate_limit',
])
/** Failures after which there is no session any more. */
const SIGNED_OUT = new Set([
  ...['no_authorization', 'bad_jwt', 'session_not_found', 'user_banned'],
  ...['refresh_token_not_found', 'refresh_token_already_used', 'session_expired'],
])

function change(id: DeviceId, part: Phone) {
  const formerToken = phones.value[id].session?.accessToken ?? phones.value[id].formerToken
  phones.value = { ...phones.value, [id]: { ...phones.value[id], formerToken, ...part } }
  const sessions = Object.entries(phones.value).map(([name, { session }]) => [name, session])
  remember('sessions', Object.fromEntries(sessions))
}

/** One thing at a time, as it is with a phone in the hand. */
async function busily(id: DeviceId, work: () => Promise<void>) {
  if (phones.value[id].isBusy) return
  change(id, { isBusy: true, notice: undefined })
  try {
    await work()
  } catch {
    change(id, { notice: { kind: 'failure', failure: { code: 'no_answer' } } })
  } finally {
    change(id, { isBusy: false })
  }
}

function fail(id: DeviceId, failure: Failure) {
  const isOut = SIGNED_OUT.has(failure.code)
  const pendingCode = SAME_CODE.has(failure.code) ? phones.value[id].pendingCode : undefined
  change(id, {
    notice: { kind: 'failure', failure },
    pendingCode,
    ...(isOut && { session: undefined, user: undefined }),
  })
}

const keep = (id: DeviceId, { accessToken, refreshToken, user }: Session) =>
  change(id, { session: { accessToken, refreshToken }, user })

/** Asks as the phone's user; where his access token has run out, once more with another. */
async function asUser<T>(id: DeviceId, operation: Operation<T>, lose = false): Promise<Result<T>> {
  const { session } = phones.value[id]
  const result = await perform(operation, { token: session?.accessToken, lose })
  if (result.ok || result.failure.code !== 'bad_jwt' || !session) return result
  const refreshed = await perform(refreshSession(session.refreshToken))
  if (!refreshed.ok) return refreshed
  keep(id, refreshed.value)
  return perform(operation, { token: refreshed.value.accessToken, lose })
}

export const start = (id: DeviceId) =>
  busily(id, async () => {
    const signedIn = await perform(signIn(await wxLogin(DEVICES[id].openid)))
    if (signedIn.ok) keep(id, signedIn.value)
    else fail(id, signedIn.failure)
  })

export const askForPhone = (id: DeviceId) =>
  change(id, { sheet: true, notice: undefined, pendingCode: undefined })

export const decline = (id: DeviceId) => change(id, { sheet: false, notice: { kind: 'declined' } })

/** The numbers between which WeChat lets the user choose. */
export const numbersOf = (id: DeviceId): string[] =>
  isOn('taken') ? [carol.phone] : [DEVICES[id].phone, FOREIGN]

export async function allow(id: DeviceId, phone: string): Promise<void> {
  change(id, { sheet: false })
  await busily(id, async () => {
    if (isOn('taken')) await takeNumber()
    change(id, { pendingCode: await tap(DEVICES[id].openid, phone) })
    await bind(id)
  })
}

/** The code of a tap without outcome, once more. */
export const retry = (id: DeviceId) => busily(id, () => bind(id))

async function bind(id: DeviceId) {
  if (isOn('deadToken')) await killTokens()
  const operation = bindPhone(phones.value[id].pendingCode!)
  const once = () => asUser(id, operation, isOn('lost'))
  const results = await Promise.all(isOn('twice') ? [once(), once()] : [once()])
  const result = results.at(-1)!
  if (result.ok) change(id, { user: result.value, pendingCode: undefined, notice: { kind: 'bound' } })
  else fail(id, result.failure)
}

/** Somebody else has the number already: he signs in and binds it, unless he did before. */
async function takeNumber() {
  const signedIn = await perform(signIn(await wxLogin(carol.openid)))
  if (!signedIn.ok || signedIn.value.user.phone) return
  const code = await tap(carol.openid, carol.phone)
  await perform(bindPhone(code), { token: signedIn.value.accessToken })
}

/** What needs no more than to be asked for. */
const simply = <T>(id: DeviceId, operation: () => Operation<T>, done: (value: T) => Phone) =>
  busily(id, async () => {
    const result = await asUser(id, operation())
    if (result.ok) change(id, done(result.value))
    else fail(id, result.failure)
  })

export const unbind = (id: DeviceId) => simply(id, unbindPhone, user => ({ user }))

export const showQrcode = (id: DeviceId) =>
  simply(
    id,
    () => qrcode(`u=${DEVICES[id].id}`),
    // JPEG or PNG: the browser looks for itself.
    image => ({ qrcode: `data:image/jpeg;base64,${image}` }),
  )

export const hideQrcode = (id: DeviceId) => change(id, { qrcode: undefined })

export const refresh = (id: DeviceId) =>
  simply(
    id,
    () => refreshSession(phones.value[id].session!.refreshToken),
    ({ accessToken, refreshToken, user }) => ({ session: { accessToken, refreshToken }, user }),
  )

export const leave = (id: DeviceId, scope: 'local' | 'global') =>
  simply(
    id,
    () => signOut(scope),
    () => ({ session: undefined, user: undefined, notice: { kind: 'signedOut' } }),
  )

export function choose(id: DeviceId): void {
  deviceId.value = id
  remember('device', id)
}

/** The sessions of the last visit, as far as they still live. */
export async function wake(): Promise<void> {
  const sessions = remembered<Partial<Record<DeviceId, Phone['session']>>>('sessions', {})
  for (const id of Object.keys(DEVICES) as DeviceId[]) {
    if (!sessions[id]) continue
    change(id, { session: sessions[id] })
    await simply(id, currentUser, user => (user ? { user } : { session: undefined }))
    change(id, { notice: undefined })
  }
}
