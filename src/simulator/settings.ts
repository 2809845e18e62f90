import { z } from 'zod'

/**
 * What WeChat does in one way or another, where its pages contradict themselves, its users, or say nothing; all of it can be
 * changed while the simulator runs. docs/simulator.md says what each is.
 */
export const Settings = z.strictObject({
  token_life_seconds: z.int().min(1).max(7200),
  legacy_overlap_seconds: z.int().min(0).max(300),
  hints: z.boolean(),
  country_code: z.enum(['string', 'number', 'plus']),
  refuse_openid: z.boolean(),
  other_app_errcode: z.union([z.literal(40029), z.literal(40013)], 'must be 40029 or 40013'),
  pages: z.array(z.string().min(1).max(1024)).max(1000).nullable(),
})
export type Settings = z.infer<typeof Settings>

export const SETTINGS: Settings = {
  token_life_seconds: 7200,
  legacy_overlap_seconds: 300,
  hints: false,
  country_code: 'string',
  refuse_openid: false,
  other_app_errcode: 40029,
  pages: null,
}
