// Hop before: src/app.ts mounts this before everything else, so that it is neither logged nor measured.
import { readFile } from 'node:fs/promises'
import { type Request, type Response, Router } from 'express'
import { AppError } from '../errors.ts'
import { errorHandler, nothingHere } from '../rest/errors.ts'
import type { Services } from '../services.ts'
import { callerOf } from '../tokens/caller.ts'
import { version } from '../version.ts'
import { type Assets, loadAssets } from './assets.ts'
import type { Settings } from './protocol.ts'
import type { Steps } from './steps.ts'
import type { Tables } from './stored.ts'

/** Everything comes from here: the page asks no other host, and no other page may frame it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'"
/** The functions that the statements call, as they are written. */
const FUNCTIONS = new URL('../../sql/schema/auth_private/', import.meta.url)
const HEARTBEAT_MS = 15_000

export interface RouterOptions {
  services: Services
  steps: Steps
  tables: Tables | undefined
  simulated: boolean
  /** Streams that are open; they would keep the server from closing. */
  streams: Set<Response>
}

export function playgroundRouter({ services, steps, tables, simulated, streams }: RouterOptions): Router {
  const { config, log, tokens } = services
  let assets: Promise<Assets> | undefined
  const serve = (name: string) => async (_req: Request, res: Response) => {
    assets ??= loadAssets()
    const { type, body } = (await assets)[name]!
    res
      .set({ 'content-type': type, 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
      .end(body)
  }
  const settings: Settings = {
    ...{ version, simulated, stored: tables !== undefined, graphiql: config.graphiql },
    ...{ appid: config.wechat.defaultAppid, phoneConflict: config.phoneConflict },
  }
  const router = Router()
    .get('/', serve('index.html'))
    .get('/playground/settings', (_req, res) => void res.json(settings))
    .get('/playground/steps', (req, res) => stream(req, res, steps, streams))
    .get('/playground/stored', async (req, res) => {
      const caller = await callerOf(tokens, { authorization: req.get('authorization') })
      // Whoever has signed out may still look at what became of his account.
      if (caller.role !== 'authenticated') throw new AppError('no_authorization')
      res.set('cache-control', 'no-store').json(await tables?.storedOf(caller.claims.sub))
    })
    .get('/playground/functions/:name', async (req, res) => {
      const { name } = req.params
      const file = new URL(`${name}.sql`, FUNCTIONS)
      const definition = /^\w+$/.test(name) && (await readFile(file, 'utf8').catch(() => undefined))
      if (!definition) return nothingHere()
      res.type('text/plain').send(definition)
    })
  for (const name of ['main.js', 'main.css', 'icon.svg']) router.get(`/playground/${name}`, serve(name))
  return router.use('/playground', nothingHere).use(errorHandler(log))
}

/** Server-sent events (WHATWG HTML, 9.2): one step each, as JSON. */
function stream(req: Request, res: Response, steps: Steps, streams: Set<Response>) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  res.write(': steps follow\n\n')
  const stop = steps.listen(step => void res.write(`data: ${JSON.stringify(step)}\n\n`))
  const heartbeat = setInterval(() => void res.write(':\n\n'), HEARTBEAT_MS)
  streams.add(res)
  req.once('close', () => {
    stop()
    clearInterval(heartbeat)
    streams.delete(res)
  })
}
