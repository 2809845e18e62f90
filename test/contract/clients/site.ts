import { generateKeyPairSync } from 'node:crypto'
import type { Env } from '../../../src/config.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../../src/simulator/app_id.ts'
import { createDatabase, type TestDatabase } from '../../support/database.ts'
import { startProxy, type Wire } from '../../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../../support/service.ts'
import { OTHER_APP } from './world.ts'

/** A service as clients meet it, and nodes of it that differ in one thing each. */
export interface Site {
  db: TestDatabase
  simulator: TestSimulator
  node: Node
  /** Its database is behind `wire`. */
  shaky: Node
  wire: Wire
  /** It counts. */
  limited: Node
  /** It signs with ES256. */
  signing: Node
  close(): Promise<void>
}

export async function startSite(): Promise<Site> {
  const db = await createDatabase()
  const simulator = await startSimulator({
    apps: { [SIMULATOR_APP_ID]: SIMULATOR_APP_SECRET, [OTHER_APP]: 'theothersapp5ecret' },
  })
  const wire = await startProxy(db.webUrl)
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const start = (env: Env = {}, webUrl = db.webUrl) =>
    startNode({
      db: { ...db, webUrl },
      wechatUrl: simulator.url,
      env: {
        WECHAT_APPS: JSON.stringify({ [OTHER_APP]: 'theothersapp5ecret' }),
        DATABASE_POOL_SIZE: '4',
        ...env,
      },
    })
  const [node, shaky, limited, signing] = await Promise.all([
    start(),
    start({}, wire.url),
    start({ RATE_LIMITS: 'on', TRUSTED_PROXIES: '1' }),
    start({ JWT_SIGNING_KEY: JSON.stringify({ ...jwk, kid: 'a-key' }) }),
  ])
  return {
    ...{ db, simulator, node, shaky, wire, limited, signing },
    async close() {
      await Promise.all([node, shaky, limited, signing].map(one => one.close()))
      await wire.close()
      await simulator.close()
      await db.drop()
    },
  }
}
