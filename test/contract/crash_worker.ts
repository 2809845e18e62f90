import { appendFileSync } from 'node:fs'
import { createLog } from '../../src/log.ts'
import { startWorker } from '../../src/tasks/worker.ts'

/**
 * The worker with a task of its own that notes at once, in the file `DELIVERED`, what it is told: a log is written a moment
 * later, which kill -9 does not wait for.
 */
const { DATABASE_OWNER_URL, DELIVERED } = process.env
const worker = await startWorker({
  ownerUrl: DATABASE_OWNER_URL!,
  log: createLog('debug'),
  webhookAllowPrivate: true,
  tasks: {
    auth_event: ({ type, timestamp, data }) =>
      appendFileSync(DELIVERED!, `${type} ${data.user_id} ${timestamp}\n`),
  },
})
process.once('SIGTERM', async () => {
  await worker.stop()
  process.exit(0)
})
