import type { Request, Response } from 'express'
import { z } from 'zod'
import { parseInput } from '../rpc/rpc.ts'

/** One method of one path under `/auth/v1`. */
export interface Route {
  method: 'get' | 'post' | 'put' | 'delete'
  path: string
  handle(req: Request, res: Response): Promise<unknown>
}

const Body = z.looseObject({}, 'is not a JSON object').default({})

/** The body of a request, which may have none. Raises `validation_failed` where it is no object. */
export const fromBody = ({ body }: Request) => parseInput(Body, body)
