import { isIP } from 'node:net'
import { z } from 'zod'
import type { App, State } from '../state.ts'
import { ENDPOINTS } from '../types.ts'
import { ControlError, NOTHING, Nothing, notAnObject, operation } from './operation.ts'

/** So many apps are a mistake. */
const MOST = 1_000

const TAKES =
  'JSON {"appid": "wx…", "secret": "…" (not needed for an app that is known), "allowed_ips"?: ["1.2.3.4", "10.0.0.0/8"] ' +
  'or null, "frozen"?: true, "unauthorized"?: ["getuserphonenumber"], "open_platform"?: false}'

/** An address, or a network as address/bits. */
function isAddress(text: string): boolean {
  const [base, bits, ...rest] = text.split('/')
  const family = isIP(base!)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

export const AppId = z.string().regex(/^[\w-]{1,64}$/, 'must be letters, digits, _ and -, at most 64')
export const Secret = z.string().min(1).max(128)

const AppRequest = z.strictObject(
  {
    appid: AppId,
    secret: Secret.optional(),
    allowed_ips: z
      .array(z.string().refine(isAddress, 'must be an IP address, or a network such as 10.0.0.0/8'))
      .max(200)
      .nullable()
      .optional(),
    frozen: z.boolean().optional(),
    unauthorized: z.array(z.enum(ENDPOINTS)).max(ENDPOINTS.length).optional(),
    open_platform: z.boolean().optional(),
  },
  notAnObject,
)

/** The mini programs, and what WeChat has been told about them. */
export function appOperations(state: State) {
  return {
    setApp: operation('POST /apps', TAKES, AppRequest, ({ appid, ...given }) => {
      const known = state.apps.get(appid)
      const secret = given.secret ?? known?.secret
      if (secret === undefined) throw new ControlError('secret: the app is new, and needs one')
      if (!known && state.apps.size >= MOST) throw new ControlError(`there are ${MOST} apps already`)
      const app = {
        ...(known ?? newApp(secret)),
        ...{ secret },
        ...(given.allowed_ips !== undefined && { allowedIps: given.allowed_ips }),
        ...(given.frozen !== undefined && { frozen: given.frozen }),
        ...(given.unauthorized !== undefined && { unauthorized: given.unauthorized }),
        ...(given.open_platform !== undefined && { openPlatform: given.open_platform }),
      }
      state.apps.set(appid, app)
      return shown(appid, app)
    }),
    apps: operation('GET /apps', NOTHING, Nothing, () => ({
      apps: [...state.apps].map(([appid, app]) => shown(appid, app)),
    })),
  }
}

/** An app about which WeChat has been told nothing. */
export const newApp = (secret: string): App => ({
  ...{ secret, allowedIps: null, frozen: false, unauthorized: [], openPlatform: true },
})

const shown = (appid: string, { allowedIps, frozen, unauthorized, openPlatform }: App) => ({
  ...{ appid, allowed_ips: allowedIps, frozen, unauthorized, open_platform: openPlatform },
})
