import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The blocks of a README in one language, or all of them. */
export const blocksOf = (readme: string, language = '\\w+') =>
  [...readFileSync(readme, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, block]) => block!,
  )

/** What a diff did to a file, undone: the names of the files, and their texts as they were before. */
export function undo(diff: string, directory: string): Map<string, string> {
  const before = new Map<string, string>()
  for (const part of diff.split(/^--- .*\n\+\+\+ /m).slice(1)) {
    const [name, ...hunks] = part.split(/\n@@\n|^@@\n/m)
    let text = readFileSync(join(directory, name!.trim()), 'utf8')
    for (const hunk of hunks) {
      const lines = hunk.replace(/\n$/, '').split('\n')
      const side = (marks: string) =>
        lines.flatMap(line => (marks.includes(line[0] ?? ' ') ? [`${line.slice(1)}\n`] : [])).join('')
      const [old, present] = [side(' -'), side(' +')]
      if (text.split(present).length !== 2) throw new Error(`${name} does not say once:\n${present}`)
      text = text.replace(present, () => old)
    }
    before.set(name!.trim(), text)
  }
  return before
}
