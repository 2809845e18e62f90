import { Router } from 'express'
import { codeVersion } from './db/migrate.ts'
import { schemaVersion } from './db/statements.ts'
import type { Services } from './services.ts'

/**
 * `/health/live`: the process answers. `/health/ready`: the database does too, and has the schema of this code; 503 with
 * what is wrong otherwise.
 */
export function healthRouter({ db, log }: Services): Router {
  const router = Router()
  const needed = codeVersion()
  router.get('/live', (_req, res) => void res.json({ status: 'ok' }))
  router.get('/ready', async (_req, res) => {
    const database = await schemaVersion(db).then(
      version =>
        version >= needed
          ? 'ok'
          : `its schema is of version ${version}, the code needs ${needed}: run migrate`,
      (err: unknown) => {
        log.warn({ err }, 'the service is not ready')
        return 'cannot be reached, or was not migrated'
      },
    )
    const ok = database === 'ok'
    res.status(ok ? 200 : 503).json({ status: ok ? 'ok' : 'unavailable', database })
  })
  return router
}
