import { createLog } from '../../src/log.ts'
import { startWorker } from '../../src/tasks/worker.ts'
import { RHYTHM } from './rhythm.ts'

/** A worker that can be killed: `node worker_process.ts <ownerUrl>`. It tells which events it has begun, and ends none. */
const [ownerUrl] = process.argv.slice(2)
await startWorker({
  ownerUrl: ownerUrl!,
  log: createLog('silent'),
  rhythm: RHYTHM,
  onEvent: ({ data }) => {
    process.stdout.write(`${data.user_id}\n`)
    return new Promise(() => {})
  },
})
