import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { z } from 'zod'
import {
  bindPhone,
  type CodeClaim,
  type CodeDone,
  type CodeKey,
  claimCode,
  releaseCode,
  type UserRow,
  type Verdict,
} from '../db/statements.ts'
import { AppError } from '../errors.ts'
import type { Services } from '../services.ts'
import { codeHashes } from '../tokens/code_hash.ts'
import type { PhoneInfo } from '../wechat/answers.ts'
import { toE164 } from '../wechat/phone.ts'
import { Code, type Rpc, requireUser } from './rpc.ts'

/** How long the write is tried again when the database is away: WeChat has charged for the tap by then. */
const WRITE_RETRY_MS = 10_000
const POLL_MS = { first: 40, most: 400 }
const NO_OPENID =
  'This user has never signed in to this app, so WeChat cannot say whose code it is. Sign in to it first.'
/** A watermark this far from our clock is logged; a wrong clock must not cost anybody a phone. */
const ODD_AGE_SECONDS = 600

/**
 * Binds the phone of a tap. Before: src/graphql/mutations.ts or src/rest/routes.ts. Two statements and WeChat between
 * them: sql/schema/auth_private/wechat_claim_code.sql, getuserphonenumber, and
 * sql/schema/auth_private/wechat_bind_phone.sql. No connection is held while WeChat is asked or a claim is waited for.
 */
export const wechatBindPhone: Rpc<{ code: string }, { user: UserRow }> = {
  name: 'wechatBindPhone',
  description:
    'Binds the phone that WeChat vouches for to the signed-in user, by the code of the phone button (`getPhoneNumber` or `getRealtimePhoneNumber`). The same code again, within 24 hours and on any node, gives the same outcome. Errors: validation_failed, no_authorization, session_not_found, user_banned, wechat_code_invalid, wechat_code_used, phone_exists, wechat_phone_unusable, over_request_rate_limit, wechat_misconfigured, wechat_unavailable, database_unavailable.',
  sdl: {
    input: '"""The code of the tap on the phone button; single use, five minutes."""\ncode: String!',
    payload: '"""The user, with the phone."""\nuser: User',
  },
  input: z.object({ code: Code }),
  entersSession: true,
  async run(services, { caller, appid }, { code }) {
    const { db, config } = services
    const { sessionId } = requireUser(caller)
    const key = { sessionId, codeHashes: codeHashes(config.dataKeys, appid, code), claimId: randomUUID() }
    // WeChat, the attempts at the write (the last may begin just before the end), and a little more.
    const leaseMs = config.wechat.timeoutMs + WRITE_RETRY_MS + 2 * config.databaseTimeoutMs + 2_000
    const deadline = Date.now() + leaseMs + 2_000

    for (let pause = POLL_MS.first; ; pause = Math.min(pause * 1.5, POLL_MS.most)) {
      let step: CodeClaim = await claimCode(db, key, appid, leaseMs)
      if (step.state === 'claimed') {
        const verdict = await askWechat(services, key, appid, code, step.openid)
        step = await write(services, key, appid, verdict)
      }
      if (step.state === 'done') return userOrError(step)
      if (Date.now() > deadline) throw new AppError('wechat_unavailable')
      await sleep(pause)
    }
  },
}

/** What WeChat says of the code, for good. Where it says nothing for good, the claim is given back and the error goes on. */
async function askWechat(
  { config, db, log, wechat }: Services,
  key: CodeKey,
  appid: string,
  code: string,
  openid: string | null,
): Promise<Verdict> {
  try {
    // Without an openid of this app WeChat would compare nothing, and take anybody's code.
    if (config.wechat.sendOpenid && openid === null)
      throw new AppError('validation_failed', { message: NO_OPENID })
    const phone = await wechat.phoneNumber(appid, code, config.wechat.sendOpenid ? openid! : undefined)
    return verdictOf(phone, appid, log)
  } catch (error) {
    // With an openid WeChat judges the pair: the code may be good in the hands of its owner.
    const isFinal = !config.wechat.sendOpenid
    if (isFinal && error instanceof AppError && error.code === 'wechat_code_invalid' && error.wechat) {
      return { verdict: 'wechat_code_invalid', errcode: error.wechat.errcode, rid: error.wechat.rid }
    }
    await release({ db, log }, key, false)
    throw error
  }
}

function verdictOf(info: PhoneInfo | undefined, appid: string, log: Services['log']): Verdict {
  const phone = info && toE164(info)
  if (phone === undefined || (info?.watermark?.appid ?? appid) !== appid)
    return { verdict: 'wechat_phone_unusable' }
  const { phoneNumber, purePhoneNumber, countryCode, watermark } = info!
  const age = Date.now() / 1000 - (watermark?.timestamp ?? Number.NaN)
  if (!(Math.abs(age) < ODD_AGE_SECONDS))
    log.warn({ ageSeconds: Math.round(age) }, 'the watermark has an odd age')
  return { verdict: 'phone', phone, raw: { phoneNumber, purePhoneNumber, countryCode } }
}

/**
 * The write is idempotent, so it is repeated while the database is away, whether or not an attempt came through. Where the
 * session has ended meanwhile there is nobody to write for: the code is marked as spent.
 */
async function write({ config, db, log }: Services, key: CodeKey, appid: string, verdict: Verdict) {
  try {
    const mayMerge = config.phoneConflict === 'merge'
    return await pRetry(() => bindPhone(db, key, appid, verdict, mayMerge), {
      retries: 50,
      factor: 1.5,
      minTimeout: 50,
      maxTimeout: 1_000,
      // Two accounts that are merged into each other at once would meet again and again.
      randomize: true,
      maxRetryTime: WRITE_RETRY_MS,
      shouldRetry: ({ error }) => error instanceof AppError && error.code === 'database_unavailable',
    })
  } catch (error) {
    const isOver = error instanceof AppError && ['session_not_found', 'user_banned'].includes(error.code)
    if (isOver) await release({ db, log }, key, true)
    throw error
  }
}

const release = ({ db, log }: Pick<Services, 'db' | 'log'>, key: CodeKey, isSpent: boolean) =>
  releaseCode(db, key, isSpent).catch((err: unknown) =>
    log.warn({ err }, 'a claim runs out instead of being released'),
  )

function userOrError({ outcome, user_json: user, wechat_errcode: errcode, wechat_rid: rid }: CodeDone) {
  if (outcome === 'bound') return { user }
  throw new AppError(outcome, errcode === null ? {} : { wechat: { errcode, rid: rid ?? undefined } })
}
