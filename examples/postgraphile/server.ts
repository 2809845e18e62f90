import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { postgraphile } from 'postgraphile'
import { grafserv } from 'postgraphile/grafserv/express/v4'
import { authRouter } from 'postgraphile-wechat'
import preset from './graphile.config.ts'
import { services } from './wechat.ts'

const app = express()
app.use('/auth/v1', authRouter(services))
const server = createServer(app)
const instance = postgraphile(preset)
await instance.createServ(grafserv).addTo(app, server)

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`The shop answers at http://127.0.0.1:${port}\n`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(async () => {
      await instance.release()
      await services.close()
      process.exit()
    })
  })
}
