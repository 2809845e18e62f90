import express from 'express'
import { createApp } from '../../src/app.ts'
import { type Env, parseConfig } from '../../src/config.ts'
import type { Logger } from '../../src/log.ts'
import type { Pace } from '../../src/metrics/database.ts'
import type { AnyRpc } from '../../src/rpc/own_rpc.ts'
import { listen } from '../../src/server.ts'
import { createServices, type Services } from '../../src/services.ts'
import type { Fetch } from '../../src/wechat/http.ts'
import type { TestDatabase } from './database.ts'
import { recordAnswers, recordedLog, secret } from './leaks.ts'

export { startSimulator, type TestSimulator } from './simulator.ts'

export const JWT_SECRET = 'a secret of the tests, 32 bytes or more'

export interface Node {
  url: string
  services: Services
  close(): Promise<void>
}

export interface NodeOptions {
  db: TestDatabase
  wechatUrl: string
  env?: Env
  log?: Logger
  rpcs?: readonly AnyRpc[]
  fetch?: Fetch
  metricsPace?: Partial<Pace>
}

/** A node of the web service in this process, as `serve` builds it. */
export async function startNode({
  db,
  wechatUrl,
  env,
  log,
  rpcs = [],
  fetch,
  metricsPace,
}: NodeOptions): Promise<Node> {
  const config = parseConfig({
    DATABASE_URL: db.webUrl,
    JWT_SECRET,
    SITE_URL: 'http://site.test',
    WECHAT_API_URL: wechatUrl,
    RATE_LIMITS: 'off',
    ...env,
  })
  const http = await listen('127.0.0.1', 0)
  const services = await createServices({
    config,
    ownUrl: http.url,
    log: log ?? recordedLog(),
    rpcs,
    fetch,
    metricsPace,
  })
  const app = await createApp(services)
  for (const value of [JWT_SECRET, ...Object.values(config.wechat.apps)]) secret(value)
  http.serve(express().disable('x-powered-by').use(recordAnswers, app.express))
  return {
    url: http.url,
    services,
    async close() {
      await http.close()
      await app.release()
      await services.close()
    },
  }
}
