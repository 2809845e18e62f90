// Before: src/tasks/relay.ts. After: sql/schema/auth_private/wechat_apply_push.sql.
import type { Task } from 'graphile-worker'
import { z } from 'zod'
import type { Logger } from '../log.ts'

const Payload = z.object({ push_id: z.coerce.string().regex(/^\d+$/) })

/** The task of one push of WeChat's: what its user takes back goes, in one transaction. */
export const wechatPushTask =
  (log: Logger): Task =>
  async (payload, { query }) => {
    const { push_id } = Payload.parse(payload)
    const { rows } = await query<{ outcome: string }>(
      'select auth_private.wechat_apply_push($1) as outcome',
      [push_id],
    )
    log.info({ push_id, outcome: rows[0]?.outcome }, 'a push was applied')
  }
