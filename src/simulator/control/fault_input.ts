import { z } from 'zod'
import { HUGE_LEAST } from '../strike.ts'
import type { Fault } from '../types.ts'

/** Ten minutes: whoever wants to wait for longer wants `{"hang": true}`. */
const Milliseconds = z.int().min(0).max(600_000)
const Json = z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())])

/** The forms of a fault, by the member that makes it one. */
const FORMS = {
  errcode: z.strictObject({
    errcode: z.int32(),
    errmsg: z.string().max(1024).optional(),
    hint: z.boolean().optional(),
  }),
  status: z
    .strictObject({
      status: z.int().min(200).max(599),
      body: Json.default(''),
      content_type: z
        .string()
        .regex(/^[\x21-\x7e][\x20-\x7e]{0,127}$/, 'must be a content type')
        .optional(),
    })
    .transform(({ content_type: contentType, ...rest }) => ({ ...rest, contentType })),
  latency: z.strictObject({ latency: Milliseconds }),
  hang: z.strictObject({ hang: z.union([Milliseconds, z.literal(true)]) }),
  reset: z.strictObject({ reset: z.literal(true) }),
  truncate: z.strictObject({
    truncate: z.union([z.int().min(0).max(1_000_000), z.literal(true)]),
    tear: z.boolean().optional(),
  }),
  huge: z.strictObject({ huge: z.int().min(HUGE_LEAST).max(1_000_000_000) }),
  empty: z.strictObject({ empty: z.literal(true) }),
  phone_info: z
    .strictObject({
      phone_info: z.record(z.string(), z.unknown()),
      without: z.array(z.string().max(64)).max(16).default([]),
    })
    .transform(({ phone_info, without }) => ({
      phoneInfo: { ...phone_info, ...Object.fromEntries(without.map(name => [name, undefined])) },
    })),
} as const
type Form = keyof typeof FORMS

/** A fault as it is written in JSON: as in the process, but `content_type`, and `phone_info` with the members to leave out. */
export const FaultInput = z.unknown().transform((given, ctx): Fault => {
  const members = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {}
  const forms = (Object.keys(FORMS) as Form[]).filter(form => Object.hasOwn(members, form))
  const [form] = forms
  if (form === undefined || forms.length > 1) {
    const message = `must be an object with exactly one of ${Object.keys(FORMS).join(', ')}`
    ctx.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  const parsed = FORMS[form].safeParse(given)
  if (parsed.success) return parsed.data
  for (const { path, message } of parsed.error.issues) ctx.addIssue({ code: 'custom', path, message })
  return z.NEVER
})

/** A fault as it is shown again. */
export function shownFault(fault: Fault): object {
  if ('phoneInfo' in fault) {
    const { phoneInfo } = fault
    const without = Object.keys(phoneInfo).filter(name => phoneInfo[name] === undefined)
    return { phone_info: phoneInfo, ...(without.length > 0 && { without }) }
  }
  if (!('status' in fault)) return fault
  const { contentType: content_type, ...rest } = fault
  return { ...rest, content_type }
}
