import { CLOCK } from './catalogue.ts'
import type { Context } from './context.ts'
import { type Finding, fault, need, ok, Skipped, seconds, warning } from './finding.ts'
import type { Reached } from './reach.ts'
import type { Session } from './session.ts'

// Tokens begin and end by this machine's clock, sessions, claims and bans by PostgreSQL's.

export const clockChecks = ({ database, reached }: Context) => ({
  database_clock: async () => databaseClock(await need(database)),
  wechat_clock: async () => wechatClock(await need(reached)),
})

async function databaseClock({ alone }: Session): Promise<Finding> {
  const ahead = await alone(async client => {
    const before = Date.now()
    const { rows } = await client.query<{ ms: number }>(
      'select extract(epoch from clock_timestamp())::double precision * 1000 as ms',
    )
    return (before + Date.now()) / 2 - rows[0]!.ms
  })
  return judge(ahead, "PostgreSQL's")
}

function wechatClock({ date, at, isSimulator }: Reached): Finding {
  if (Number.isNaN(date)) throw new Skipped('the answer has no Date')
  // Its seconds are cut off.
  return judge(at - (date + 500), isSimulator ? "the simulator's" : "WeChat's")
}

/** `ms`: how far this machine is ahead. */
function judge(ms: number, whose: string): Finding {
  const apart = Math.abs(ms)
  if (apart <= CLOCK.warning * 1000) return ok(`within ${Math.ceil(apart / 1000) || 1} s of ${whose}`)
  const tell = apart > CLOCK.fault * 1000 ? fault : warning
  return tell(
    `this machine is ${seconds(apart)} ${ms > 0 ? 'ahead of' : 'behind'} ${whose}`,
    'Let both follow NTP (timedatectl, chronyc tracking), the hosts of containers included: tokens end too early or too late, and webhooks are refused as too old.',
  )
}
