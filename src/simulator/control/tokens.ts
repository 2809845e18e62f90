import { z } from 'zod'
import type { State } from '../state.ts'
import { TOKEN_KINDS } from '../token_line.ts'
import { ControlError, Id, knownApp, NOTHING, Nothing, notAnObject, operation } from './operation.ts'

/** About ten years in all: so far every date can be written as WeChat writes them. */
const MOST_SECONDS = 315_360_000

const KILL = 'JSON {"appid"?: "…", "kind"?: "token" or "stable_token", "stuck"?: true}'
const EXPIRE = 'JSON {"appid"?: "…", "kind"?: "token" or "stable_token"}'
const ADVANCE = 'JSON {"advance_seconds": 300}'

const which = { appid: Id.optional(), kind: z.enum(TOKEN_KINDS).optional() }
const KillRequest = z.strictObject({ ...which, stuck: z.boolean().default(false) }, notAnObject).prefault({})
const ExpireRequest = z.strictObject(which, notAnObject).prefault({})
const AdvanceRequest = z.strictObject({ advance_seconds: z.number().min(0).max(MOST_SECONDS) }, notAnObject)

/** What happens to tokens and codes outside of any call. */
export function tokenOperations(state: State) {
  const clock = () => ({ now: new Date(state.now()).toISOString(), ahead_seconds: state.skippedMs / 1000 })
  return {
    killTokens: operation('POST /tokens/kill', KILL, KillRequest, ({ stuck, ...tokens }) => {
      if (tokens.appid !== undefined) knownApp(state, tokens.appid)
      if (stuck && tokens.kind === 'token') {
        throw new ControlError(
          'stuck: only a stable_token is given out again, GET /cgi-bin/token always makes one',
        )
      }
      return { killed: state.tokens.kill(tokens, stuck) }
    }),
    expireTokens: operation('POST /tokens/expire', EXPIRE, ExpireRequest, tokens => {
      if (tokens.appid !== undefined) knownApp(state, tokens.appid)
      return { expired: state.tokens.expire(tokens) }
    }),
    clock: operation('GET /clock', NOTHING, Nothing, clock),
    advance: operation('POST /clock', ADVANCE, AdvanceRequest, ({ advance_seconds }) => {
      const skippedMs = state.skippedMs + Math.round(advance_seconds * 1000)
      if (skippedMs > MOST_SECONDS * 1000) {
        throw new ControlError('advance_seconds: the clock is ten years ahead, POST /reset sets it right')
      }
      state.skippedMs = skippedMs
      return clock()
    }),
  }
}
