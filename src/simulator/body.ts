import express, { type Request, type Response } from 'express'

// WeChat judges a body by its bytes, whatever content type it claims.
const readRaw = express.raw({ type: () => true, limit: '100kb' })

/** Not JSON: distinct from every JSON value, and refused by every schema. */
const NOT_JSON = Symbol('not JSON')

const bodies = new WeakMap<Request, Promise<unknown>>()

/**
 * The body of a request as parsed JSON: `undefined` where there is none, a symbol where it is not JSON, too long (100 kB)
 * or cut off. Never throws, and may be asked again. The request must not have met another body parser before.
 */
export function readJson(req: Request, res: Response): Promise<unknown> {
  const body = bodies.get(req) ?? read(req, res)
  bodies.set(req, body)
  return body
}

async function read(req: Request, res: Response): Promise<unknown> {
  try {
    await new Promise<void>((resolve, reject) => {
      readRaw(req, res, (error?: unknown) => (error ? reject(error) : resolve()))
    })
    const text = Buffer.isBuffer(req.body) ? req.body.toString('utf8') : ''
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}
