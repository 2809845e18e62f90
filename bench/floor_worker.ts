import { randomInt } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import pg from 'pg'

// One thread of bench/floor.ts: statements as fast as they come back.

const { url, texts, connections, seconds, first, last } = workerData as Record<string, number> & {
  url: string
  texts: string[]
}

const pool = new pg.Pool({ connectionString: url, max: connections! })
const end = Date.now() + seconds! * 1000
const loop = async () => {
  const client = await pool.connect()
  let count = 0
  while (Date.now() < end) {
    const values = [randomInt(first!, last! + 1), randomInt(1, 2 ** 40), randomInt(1, 2 ** 40)]
    for (const [index, text] of texts.entries()) {
      const used = Math.max(...[...text.matchAll(/\$(\d)/g)].map(([, n]) => Number(n)))
      await client.query({ name: `floor ${index}`, text, values: values.slice(0, used) })
    }
    count += 1
  }
  client.release()
  return count
}
const counts = await Promise.all(Array.from({ length: connections! }, loop))
await pool.end()
parentPort!.postMessage(counts.reduce((sum, count) => sum + count, 0))
