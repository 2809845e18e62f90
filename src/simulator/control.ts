import { type Request, type RequestHandler, type Response, Router } from 'express'
import { parsePhoneNumber } from 'libphonenumber-js/max'
import { z } from 'zod'
import { readJson } from './body.ts'
import type { Phone, State } from './state.ts'

const LOGIN_USAGE = 'POST /login-codes takes JSON {"openid": "…", "unionid"?: "…", "appid"?: "…"}'
const PHONE_USAGE =
  'POST /phone-codes takes JSON {"phone": "13800138000" or "+85251234567", "country_code"?: "852", ' +
  '"openid"?: "…", "appid"?: "…"}'

/** Bad control input; the message says what helps. */
export class ControlError extends Error {}

export const Id = z.string().min(1).max(128)

export const notAnObject = {
  error: (issue: { code: string }) =>
    issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined,
}

const LoginRequest = z.strictObject({ openid: Id, unionid: Id.optional(), appid: Id.optional() }, notAnObject)

const PhoneRequest = z.strictObject(
  {
    phone: z
      .string()
      .regex(
        /^\+?\d{1,32}$/,
        'must be digits, either national (any) or E.164 with a leading +, without spaces',
      ),
    country_code: z
      .string()
      .regex(/^\+?[1-9]\d{0,3}$/, 'must be a country calling code in a string, such as "852"')
      .optional(),
    openid: Id.optional(),
    appid: Id.optional(),
  },
  notAnObject,
)

/**
 * The endpoints that play the part of the user's phone: each answers `{code}`, or HTTP 400 with
 * `{error}`. `defaultApp` is the app of a code for which none is named.
 */
export function controlRoutes(state: State, defaultApp: string): Router {
  return Router()
    .post(
      '/login-codes',
      control(LOGIN_USAGE, LoginRequest, ({ appid, openid, unionid }) => ({
        code: state.loginCodes.mint(knownApp(state, appid ?? defaultApp), { openid, unionid }),
      })),
    )
    .post(
      '/phone-codes',
      control(PHONE_USAGE, PhoneRequest, ({ appid, phone, country_code, openid }) => ({
        code: state.phoneCodes.mint(knownApp(state, appid ?? defaultApp), {
          ...phoneOf(phone, country_code),
          openid,
        }),
      })),
    )
}

/** A handler that answers what `work` makes of a body that fits `schema`. */
export function control<T>(
  usage: string,
  schema: z.ZodType<T>,
  work: (input: T) => object | Promise<object>,
): RequestHandler {
  return async (req: Request, res: Response) => {
    const parsed = schema.safeParse(await readJson(req, res))
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message }) => [...path, message].join(': '))
      res.status(400).json({ error: `${issues.join('; ')}. ${usage}` })
      return
    }
    try {
      res.json(await work(parsed.data))
    } catch (error) {
      if (!(error instanceof ControlError)) throw error
      res.status(400).json({ error: `${error.message}. ${usage}` })
    }
  }
}

export function knownApp(state: State, appid: string): string {
  if (state.apps.has(appid)) return appid
  throw new ControlError(`appid: the simulator knows only ${[...state.apps.keys()].join(', ')}`)
}

/**
 * National digits are taken as they come, valid or not, beside `country_code` (default 86). E.164 is only split, and
 * only where a country code is recognised in it.
 */
function phoneOf(phone: string, countryCode: string | undefined): Phone {
  const code = countryCode?.replace('+', '')
  if (!phone.startsWith('+')) return { national: phone, countryCode: code ?? '86' }
  const found = callingCode(phone)
  if (code !== undefined && code !== found) {
    throw new ControlError(`country_code: ${code} contradicts +${found} in phone, leave it out`)
  }
  return { national: phone.slice(1 + found.length), countryCode: found }
}

function callingCode(phone: string): string {
  try {
    return parsePhoneNumber(phone).countryCallingCode
  } catch {
    throw new ControlError(
      'phone: not E.164 of a known country, give national digits and country_code instead',
    )
  }
}
