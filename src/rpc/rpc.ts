import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { getUser } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { addressOf } from '../limits/address.ts'
import type { rules } from '../limits/rules.ts'
import type { Services } from '../services.ts'
import { callerOf } from '../tokens/caller.ts'
import type { Caller, UserClaims } from '../tokens/jwt.ts'
import type { InputSchema, OwnRpc } from './own_rpc.ts'

/** Who calls, and of which app. */
export interface Call {
  caller: Caller
  /** Of `x-wechat-appid`, else the default app. */
  appid: string
  /** Of the client, as the rate limits count it. */
  address: string
  /** Set once a statement has looked whether the caller's session still lives. */
  isEntered?: boolean
}

/** One of ours (src/rpc/index.ts): its limits stand under its name in src/limits/rules.ts. */
export interface Rpc<Input, Result extends object>
  extends Omit<OwnRpc<Input, Result>, 'limits'>,
    Knowing<Input> {
  name: keyof typeof rules
}

/** What those may say who know how sessions are looked up. */
interface Knowing<Input> {
  /** The session to be counted, where it is not the caller's. */
  sessionOf?(services: Services, input: Input): string | undefined
  /** It is for users, and its own statements look whether the session lives; it needs no look before. */
  entersSession?: boolean
}

/**
 * Runs an operation: checks its input, counts it, does it, and measures it all. `spell`: a field's name in the caller's
 * protocol.
 */
export const execute = <Input, Result extends object>(
  rpc: OwnRpc<Input, Result> & Knowing<Input>,
  services: Services,
  call: Call,
  given: unknown,
  spell?: (name: string) => string,
): Promise<Result> => services.metrics.rpc(rpc.name, () => perform(rpc, services, call, given, spell))

async function perform<Input, Result extends object>(
  rpc: OwnRpc<Input, Result> & Knowing<Input>,
  services: Services,
  call: Call,
  given: unknown,
  spell?: (name: string) => string,
): Promise<Result> {
  const input = parseInput(rpc.input, given, spell)
  if (rpc.entersSession) requireUser(call.caller)
  // Before anything is counted on the user: a dead token in the wrong hands must not use up his limits.
  if (!rpc.entersSession || services.config.rateLimits) await enterSession(services, call)
  await countCall(services, rpc.name, call, rpc.sessionOf?.(services, input))
  call.isEntered = true
  return rpc.run(services, call, input)
}

/**
 * Fails where the caller's session has ended, unless a statement of the same request has looked or will: a dead token is
 * good for nothing, not even for what needs none. Raises `session_not_found`, `user_banned`.
 */
export async function enterSession({ db }: Services, call: Call): Promise<void> {
  if (call.isEntered || call.caller.role !== 'authenticated') return
  await getUser(db, call.caller.sessionId)
  call.isEntered = true
}

/** Counts what somebody does against the rate limits; the application's own backend has none. */
export async function countCall(
  { limits }: Services,
  operation: string,
  { caller, address }: Call,
  session?: string,
): Promise<void> {
  if (caller.role === 'service_role') return
  const own = caller.role === 'authenticated' ? { user: caller.claims.sub, session: caller.sessionId } : {}
  await limits.count(operation, { address, ...own, ...(session !== undefined && { session }) })
}

/** The checked input. Raises `validation_failed`, naming the field as its protocol spells it. */
export function parseInput<Input>(
  schema: InputSchema<Input>,
  input: unknown,
  spell = (name: string) => name,
): Input {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const message = parsed.error.issues
    .map(issue => `${spell(issue.path.join('.')) || 'input'} ${issue.message}`)
    .join('; ')
  throw new AppError('validation_failed', { message })
}

/** The caller as a signed-in user. Raises `no_authorization` for the API keys and for nobody. */
export function requireUser(caller: Caller): { sessionId: string; claims: UserClaims } {
  if (caller.role !== 'authenticated') throw new AppError('no_authorization')
  return caller
}

/** A code of WeChat: it specifies no more than a string, so anything that fits into one line of ASCII is tried. */
export const Code = z
  .string({ error: issue => (issue.input === undefined ? 'is missing' : 'is not a string') })
  .regex(/^[\x21-\x7e]{1,512}$/, 'is not a code: 1 to 512 visible ASCII characters')

/**
 * Who calls, and of which app, by the headers of a request, and by `req` from where. Raises `bad_jwt` and
 * `wechat_misconfigured`.
 */
export async function identify(
  { tokens, config }: Services,
  header: (name: string) => string | undefined,
  req: IncomingMessage | undefined,
): Promise<Call> {
  const caller = await callerOf(tokens, { authorization: header('authorization'), apikey: header('apikey') })
  return {
    caller,
    appid: chooseApp(config, header('x-wechat-appid')),
    address: addressOf(req, config.trustedProxies),
  }
}

/** The app of the request: by the header `x-wechat-appid`, else the default. Raises `wechat_misconfigured`. */
function chooseApp({ wechat }: Config, header: string | undefined): string {
  if (header === undefined) return wechat.defaultAppid
  if (!Object.hasOwn(wechat.apps, header)) {
    throw new AppError('wechat_misconfigured', { message: 'No app of this appid is configured here' })
  }
  return header
}
