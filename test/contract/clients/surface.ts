import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where a client declares what of a class is its own affair: class → file with its types. */
export type Declarations = Record<string, string>

const modules = fileURLToPath(new URL('../../../node_modules/', import.meta.url))

/**
 * Everything that callers of a client may call, found at run time: functions of it, of its prototypes and of its parts
 * (`part.function`), but for what begins with `_`, and what its types call private or protected. `whole`: parts that count
 * as one.
 */
export function publicMethods(client: object, declarations: Declarations, whole: string[] = []): string[] {
  return Object.entries(membersOf(client, declarations)).flatMap(([name, value]) => {
    if (whole.includes(name) || typeof value === 'function') return [name]
    if (typeof value !== 'object' || value === null) return []
    return publicMethods(value, declarations).map(inner => `${name}.${inner}`)
  })
}

function membersOf(object: object, declarations: Declarations): Record<string, unknown> {
  const classes = chainOf(object)
  const types = classes
    .flatMap(({ constructor: { name } }) => declarations[name] ?? [])
    .map(file => readFileSync(join(modules, file), 'utf8'))
    .join('\n')
  const isHidden = (name: string) =>
    new RegExp(`^\\s*(private|protected) (readonly )?(get |set )?${name}\\b`, 'm').test(types)
  const names = new Set([object, ...classes].flatMap(link => Object.getOwnPropertyNames(link)))
  return Object.fromEntries(
    [...names]
      .filter(name => name !== 'constructor' && !name.startsWith('_') && !isHidden(name))
      .map(name => [name, (object as Record<string, unknown>)[name]]),
  )
}

/** The prototypes of an object, without that of all objects. */
function chainOf(object: object): object[] {
  const prototype = Object.getPrototypeOf(object)
  const isEnd = prototype === null || Object.getPrototypeOf(prototype) === null
  return isEnd ? [] : [prototype, ...chainOf(prototype)]
}
