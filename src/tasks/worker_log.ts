import { Logger as WorkerLogger } from 'graphile-worker'
import { type Logger, maskPhones } from '../log.ts'

/** graphile-worker's messages in our log; its chatter counts as debug. */
export const workerLogger = (log: Logger) =>
  new WorkerLogger(() => (level, message) => {
    log[level === 'error' ? 'error' : level === 'warning' ? 'warn' : 'debug'](
      { from: 'graphile-worker' },
      maskPhones(message),
    )
  })
