import { createLog } from '../../src/log.ts'
import { startWorker } from '../../src/tasks/worker.ts'
import { RHYTHM } from './rhythm.ts'

/**
 * A worker that can be killed: `node worker_process.ts <ownerUrl> <task>`. It tells which jobs of that task, or which events,
 * it has begun, and ends none; to webhooks it delivers.
 */
const [ownerUrl, task] = process.argv.slice(2)
const begin = (userId: string) => {
  process.stdout.write(`${userId}\n`)
  return new Promise<void>(() => {})
}
await startWorker({
  ownerUrl: ownerUrl!,
  log: createLog('silent'),
  rhythm: RHYTHM,
  webhookAllowPrivate: true,
  tasks:
    task === 'auth_event'
      ? { auth_event: ({ data }) => begin(data.user_id!) }
      : { chore: ({ user_id }) => begin(user_id) },
})
