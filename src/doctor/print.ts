import { styleText } from 'node:util'
import { catalogue, type Group, groups, ids, nameOf } from './catalogue.ts'
import type { Report } from './doctor.ts'
import { plural, type Verdict } from './finding.ts'

type Line = Report['findings'][number]

export interface Look {
  colour: boolean
  /** Of the terminal; undefined: lines are as long as they are. */
  columns?: number | undefined
}

const COLOURS = { ok: 'green', warning: 'yellow', fault: 'red', skipped: 'gray' } as const
const VERDICT = 'warning'.length + 1
const NAME = Math.max(...ids.map(id => nameOf(id).length)) + 1
const INDENT = 2 + VERDICT + NAME

/** For people: a line for each finding, and under it what to do. */
export function textOf({ findings, version, node, mode, exitCode }: Report, look: Look): string {
  const parts = (Object.keys(groups) as Group[]).flatMap(group => {
    const own = findings.filter(({ check }) => catalogue[check].group === group)
    return ['', bold(groups[group], look), ...together(saidOnce(own)).map(lines => linesOf(lines, look))]
  })
  const count = (verdict: Verdict) => findings.filter(finding => finding.verdict === verdict).length
  const sum = `${plural(count('fault'), 'fault')}, ${plural(count('warning'), 'warning')}; exit code ${exitCode}`
  return [`postgraphile-wechat ${version}, ${mode}, Node ${node}`, ...parts, '', bold(sum, look), ''].join(
    '\n',
  )
}

/** For machines. */
export const jsonOf = ({ exitCode, findings, ...report }: Report): string =>
  `${JSON.stringify(
    {
      ...report,
      exit_code: exitCode,
      checks: findings.map(({ check, ...finding }) => ({ check, group: catalogue[check].group, ...finding })),
    },
    null,
    2,
  )}\n`

const bold = (text: string, { colour }: Look) =>
  colour ? styleText('bold', text, { validateStream: false }) : text

/** Of several findings with the same remedy, the last has it. */
const saidOnce = (findings: Line[]): Line[] =>
  findings.map((finding, index) => {
    const next = findings[index + 1]
    const isRepeated = next?.check === finding.check && next.help === finding.help
    return isRepeated ? { ...finding, help: undefined } : finding
  })

/** What is skipped for one reason is one line. */
function together(findings: Line[]): [Line, ...Line[]][] {
  const groups: [Line, ...Line[]][] = []
  for (const finding of findings) {
    const [last] = groups.slice(-1)
    const isSame =
      finding.verdict === 'skipped' && last?.[0].verdict === 'skipped' && last[0].text === finding.text
    if (isSame) last.push(finding)
    else groups.push([finding])
  }
  return groups
}

function linesOf([first, ...others]: [Line, ...Line[]], look: Look): string {
  const { verdict, text, help } = first
  const word = verdict.padEnd(VERDICT)
  const head = `  ${look.colour ? styleText(COLOURS[verdict], word, { validateStream: false }) : word}`
  const names = [first, ...others].map(({ check }) => nameOf(check))
  const said =
    others.length > 0
      ? `${names.join(', ')}: ${text}`
      : `${nameOf(first.check).padEnd(NAME)}${wrap(text, INDENT, look)}`
  const rest = others.length > 0 ? wrap(said, 2 + VERDICT, look) : said
  return [head + rest, ...(help ? [`${' '.repeat(INDENT)}${wrap(`→ ${help}`, INDENT, look)}`] : [])].join(
    '\n',
  )
}

/** Breaks between words, so that what follows stands under what it begins with. */
function wrap(text: string, indent: number, { columns }: Look): string {
  if (columns === undefined || columns < indent + 40) return text
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > columns - indent) {
      lines.push(line)
      line = word
    } else line = line ? `${line} ${word}` : word
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`)
}
