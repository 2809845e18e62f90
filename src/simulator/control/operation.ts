import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { readJson } from '../body.ts'
import { queryOf } from '../exchange.ts'
import type { State } from '../state.ts'

/** Bad control input; the message says what helps. `more` is told beside it. */
export class ControlError extends Error {
  readonly more: object

  constructor(message: string, more: object = {}) {
    super(message)
    this.more = more
  }
}

/** One thing that can be asked of the simulator: over HTTP, and by `run` in the same process. */
export interface Operation<In = unknown, Out = unknown> {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  /** What it takes, as it is told to whoever gives something else. */
  takes: string
  /** Its answer. Throws ControlError where the input is not fit. */
  run: (input: In) => Out
}

/** An operation that takes what fits `schema`: the JSON body of a POST, else the query and the parameters of the path. */
export function operation<S extends z.ZodType, Out>(
  at: `${'GET' | 'POST' | 'DELETE'} /${string}`,
  takes: string,
  schema: S,
  work: (input: z.output<S>) => Out,
): Operation<z.input<S>, Out> {
  const [method, path] = at.split(' ') as [Operation['method'], string]
  const run = (input: z.input<S>) => {
    const parsed = schema.safeParse(input)
    if (parsed.success) return work(parsed.data)
    const issues = parsed.error.issues.map(({ path: place, message }) => [...place, message].join(': '))
    throw new ControlError(issues.join('; '))
  }
  return { method, path, takes: `${at} takes ${takes}`, run }
}

/** Answers what `run` makes of the request, or HTTP 400 with `{error}`. */
export function handler({ method, takes, run }: Operation): RequestHandler {
  return async (req: Request, res: Response) => {
    const input = method === 'POST' ? await readJson(req, res) : inputOf(req)
    try {
      res.json(await run(input))
    } catch (error) {
      if (!(error instanceof ControlError)) throw error
      res.status(400).json({ error: `${error.message}. ${takes}`, ...error.more })
    }
  }
}

/** Undefined where nothing is given, so that an operation that takes nothing can be told from one that could. */
function inputOf(req: Request): unknown {
  const given = { ...Object.fromEntries(queryOf(req)), ...req.params }
  return Object.keys(given).length > 0 ? given : undefined
}

export const notAnObject = {
  error: (issue: { code: string }) =>
    issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined,
}

export const Id = z.string().min(1).max(128)

/** For operations that need no input. */
export const Nothing = z.strictObject({}, notAnObject).prefault({})
export const NOTHING = 'nothing'

export function knownApp(state: State, appid: string): string {
  if (state.apps.has(appid)) return appid
  const known = [...state.apps.keys()]
  const some = known.slice(0, 10).join(', ')
  throw new ControlError(`appid: the simulator knows only ${some}${known.length > 10 ? ' and others' : ''}`)
}
