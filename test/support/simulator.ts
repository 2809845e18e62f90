import express from 'express'
import { listen } from '../../src/server.ts'
import { createSimulator, type Simulator, simulatorApp } from '../../src/simulator/index.ts'
import { recordSecrets } from './leaks.ts'

export interface TestSimulator extends Simulator {
  url: string
  close(): Promise<void>
}

/**
 * The WeChat simulator on a port of its own, so that several nodes can share it. Without WeChat's limits on calls, since one
 * user of a race signs in more often in a minute than anybody.
 */
export async function startSimulator(
  options?: Parameters<typeof createSimulator>[0],
): Promise<TestSimulator> {
  const simulator = createSimulator({ quotas: false, ...options })
  const http = await listen('127.0.0.1', 0)
  http.serve(express().use(recordSecrets, simulatorApp(simulator)))
  return Object.assign(Object.create(simulator) as Simulator, { url: http.url, close: () => http.close() })
}
