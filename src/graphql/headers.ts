import { AppError } from '../errors.ts'

interface Request {
  method: string
  headers: Record<string, string | string[] | undefined>
}

/**
 * Makes a request's headers fit for grafserv, which takes them to the letter. Raises `validation_failed` (415) where it
 * would misread the body: it neither decompresses nor decodes anything but UTF-8.
 */
export function prepareHeaders({ method, headers }: Request): void {
  // It only chooses between the two names of our JSON; grafserv would fail where it is ill-formed.
  const accept = String(headers.accept)
  const isPlain = /\bapplication\/json\b/i.test(accept) && !/\bgraphql-response\+json\b/i.test(accept)
  headers.accept = isPlain ? 'application/json' : '*/*'
  if (method !== 'POST') return

  const type = String(headers['content-type'] ?? '').toLowerCase()
  if (!type) throw unsupported('Content-Type is not application/json')
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/.exec(type)?.[1] ?? 'utf-8'
  if (!/^utf-?8$/.test(charset)) throw unsupported('The charset is not UTF-8')
  const encoding = headers['content-encoding'] ?? 'identity'
  if (!/^identity$/i.test(String(encoding))) throw unsupported('Content-Encoding is not supported here')
  headers['content-type'] = type
}

const unsupported = (message: string) => new AppError('validation_failed', { status: 415, message })
