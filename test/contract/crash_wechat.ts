import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator, type TestSimulator } from '../support/service.ts'
import type { Random } from './crash_random.ts'

export interface RecordedWechat {
  url: string
  simulator: TestSimulator
  /** What WeChat answered for each phone code, in order: an errcode, 0 where it was redeemed. */
  answers: Map<string, number[]>
  close(): Promise<void>
}

/** WeChat with a journey of its own before and after each question, in which somebody may die, and a record of codes. */
export async function startRecordedWechat(random: Random): Promise<RecordedWechat> {
  const simulator = await startSimulator()
  const answers = new Map<string, number[]>()
  const server = http.createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    await sleep(random.between(0, 120))
    const answer = await fetch(`${simulator.url}${req.url}`, {
      method: req.method!,
      ...(body && { body, headers: { 'content-type': 'application/json' } }),
    })
    const text = await answer.text()
    if (req.url!.includes('getuserphonenumber')) {
      const { code } = JSON.parse(body) as { code: string }
      answers.set(code, [...(answers.get(code) ?? []), (JSON.parse(text) as { errcode: number }).errcode])
    }
    await sleep(random.between(0, 120))
    res.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
    res.end(text)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    simulator,
    answers,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      await simulator.close()
    },
  }
}
