import { createRequire } from 'node:module'
import { freshOpenid, freshPhone, phoneCode, post, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { buildMiniProgram } from '../support/miniprogram.ts'
import { startProxy, type Wire } from '../support/proxy.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

/** A service that counts, with networks that can fail before and behind it, and the example, built to use it. */
export interface Site {
  db: TestDatabase
  simulator: TestSimulator
  node: Node
  /** Between phone and service. */
  network: Wire
  /** Between service and database. */
  database: Wire
  /** Where the built example is. */
  directory: string
  /** Its Chinese. */
  texts: { waiting: string; failures: Record<string, string> }
  close(): Promise<void>
}

export async function startSite(): Promise<Site> {
  const db = await createDatabase()
  const simulator = await startSimulator()
  const database = await startProxy(db.webUrl)
  const node = await startNode({
    db: { ...db, webUrl: database.url },
    wechatUrl: simulator.url,
    env: { RATE_LIMITS: 'on' },
  })
  const network = await startProxy(node.url)
  const built = buildMiniProgram({
    url: new URL(network.url).origin,
    anonKey: node.services.apiKeys.anon,
    simulator: `${simulator.url}/simulator`,
  })
  const { zh: texts } = createRequire(import.meta.url)(`${built.directory}/texts/zh.js`)
  return {
    ...{ db, simulator, node, network, database, directory: built.directory, texts },
    async close() {
      built.remove()
      await network.close()
      await node.close()
      await database.close()
      await simulator.close()
      await db.drop()
    },
  }
}

/** Somebody else, who has bound this phone by this code. */
export async function stranger({ node, simulator }: Site): Promise<{ phone: string; code: string }> {
  const phone = freshPhone()
  const code = await phoneCode(simulator, phone)
  const { accessToken } = await signIn(node, simulator, freshOpenid())
  const { status } = await post(`${node.url}/auth/v1/wechat_mini/bind_phone`, { code }, accessToken)
  expect(status).toBe(200)
  return { phone, code }
}
