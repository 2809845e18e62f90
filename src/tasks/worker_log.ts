import { Logger as WorkerLogger } from 'graphile-worker'
import { type Logger, maskPhones } from '../log.ts'

/** It fears for jobs that hold a connection each; ours hold none while they wait (worker.ts, CONCURRENCY). */
const NEEDLESS = /^WARNING: having maxPoolSize/

/** graphile-worker's messages in our log; its chatter counts as debug. */
export const workerLogger = (log: Logger) =>
  new WorkerLogger(() => (level, message) => {
    const isWarning = level === 'warning' && !NEEDLESS.test(message)
    log[level === 'error' ? 'error' : isWarning ? 'warn' : 'debug'](
      { from: 'graphile-worker' },
      maskPhones(message),
    )
  })
