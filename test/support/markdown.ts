import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// The repository's pages, as far as tests look into them.

export const root = fileURLToPath(new URL('../../', import.meta.url))
export const read = (name: string) => readFileSync(join(root, name), 'utf8')

/** Every page, by its path from the root; those of the dependencies are not ours. */
export const documents = [
  ...globSync('*.md', { cwd: root }),
  ...['docs', 'sql', 'examples'].flatMap(directory =>
    globSync(`${directory}/**/*.md`, { cwd: root, exclude: ['**/node_modules/**'] }),
  ),
].sort()

export interface Block {
  language: string
  text: string
}

/** A block may stand in a list, and is indented there. */
const BLOCK = /^( *)```(\w*)\n(.*?)^\1```$/gms

export const blocksOf = (text: string): Block[] =>
  [...text.matchAll(BLOCK)].map(([, indent, language, block]) => ({
    language: language!,
    text: block!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }))

/** Blocks of one language. */
export const blocksIn = (text: string, language: string) =>
  blocksOf(text)
    .filter(block => block.language === language)
    .map(block => block.text)

/** What is left is prose: a heading or a link in a block is none. */
export const withoutBlocks = (text: string) => text.replaceAll(BLOCK, '')

export const headingsOf = (text: string) =>
  [...withoutBlocks(text).matchAll(/^(#+) (.*)$/gm)].map(([, marks, title]) => ({
    level: marks!.length,
    title: title!,
  }))

/** The anchors that GitHub gives the headings. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const { title } of headingsOf(text)) {
    const plain = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = plain.replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '').replaceAll(' ', '-')
    let anchor = slug
    for (let number = 1; anchors.has(anchor); number += 1) anchor = `${slug}-${number}`
    anchors.add(anchor)
  }
  return anchors
}

/** Links and pictures that do not leave the repository; an empty path is the page itself. */
export const linksOf = (text: string) =>
  [...withoutBlocks(text).matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
    ([, path, anchor]) => ({
      path: path!,
      anchor,
    }),
  )

/** How many rows each table has. */
export const tablesOf = (text: string) =>
  [...withoutBlocks(text).matchAll(/(?:^\|.*\|$\n?)+/gm)].map(([table]) => table.trim().split('\n').length)
