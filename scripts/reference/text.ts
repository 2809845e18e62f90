/** The languages of the pages that people read in both. */
export type Language = 'en' | 'zh'
export type Text = Record<Language, string>

export const code = (text: string) => `\`${text}\``

/** A text that is no Markdown: its angle brackets would be tags. */
export const prose = (text: string) => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** A cell of a table; a bar within it would end it. */
export const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')

export const row = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`

export const table = (head: string[], rows: string[][]) =>
  [row(head), `|${'---|'.repeat(head.length)}`, ...rows.map(row)].join('\n')

/** The page in the other language, which stands beside it. */
export const otherLanguage = (language: Language, name: string) =>
  language === 'en' ? `[中文](${name}.zh-CN.md)` : `[English](${name}.md)`
