import { XMLParser } from 'fast-xml-parser'
import { AppError } from '../errors.ts'

export type Fields = Record<string, unknown>

/** Texts are texts: an openid of digits is no number. Nothing is looked up, and nothing is replaced. */
const xml = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  processEntities: false,
  maxNestedTags: 8,
})

/** The members of a push, in JSON or in XML, whatever the content type says. Raises `validation_failed`. */
export function fieldsOf(text: string): Fields {
  const body = text.replace(/^\uFEFF/, '').trim()
  if (body === '') throw new AppError('validation_failed', { message: 'The body is empty' })
  const parsed = body.startsWith('<') ? fromXml(body) : fromJson(body)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new AppError('validation_failed', { message: 'The body is no JSON object, and no XML element' })
  }
  // Some of WeChat's samples have names that begin with a space.
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name.trim(), value]))
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AppError('validation_failed', { message: 'The body is not JSON' })
  }
}

function fromXml(text: string): unknown {
  // WeChat declares no types, and a parser need not find out what they are good for.
  if (/<!(doctype|entity)/i.test(text)) {
    throw new AppError('validation_failed', { message: 'The XML declares a document type' })
  }
  try {
    return (xml.parse(text.replace(/<(\/?)\s+/g, '<$1'), true) as Fields).xml
  } catch {
    throw new AppError('validation_failed', { message: 'The body is not XML, or nested too deeply' })
  }
}
