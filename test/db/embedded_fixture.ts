import { startEmbedded } from '../../src/db/embedded.ts'

/**
 * A stand-in for the service, so that it can be killed: `node embedded_fixture.ts <dataDir>`.
 * Tells its parent what happened, one JSON object a line; SIGTERM ends it in order.
 */
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

try {
  const embedded = await startEmbedded({
    dataDir: process.argv[2]!,
    log: (level, message, fields) => say({ level, message, ...fields }),
    onExit: error => {
      say({ gone: error.message })
      process.exit(1)
    },
  })
  process.once('SIGTERM', async () => {
    await embedded.stop()
    process.exit(0)
  })
  const { databaseUrl, ownerUrl, pid } = embedded
  say({ databaseUrl, ownerUrl, pid })
} catch (error) {
  say({ failed: (error as Error).message, name: (error as Error).name })
  process.exit(1)
}
