import { createLog, parseWorkerConfig, startWorker } from 'postgraphile-wechat'
import { giveFirstCoupon } from './tasks/coupons.ts'

// Instead of `postgraphile-wechat worker`: does all that it does, and is told of events.
const worker = await startWorker({
  ...parseWorkerConfig(process.env),
  log: createLog('info'),
  tasks: { auth_event: giveFirstCoupon },
})
process.stdout.write('The worker hears of events\n')

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => worker.stop())
