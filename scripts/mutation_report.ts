// The result of scripts/mutate.ts as tables.
import { readFileSync } from 'node:fs'

export interface Mutant {
  file: string
  status: 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'RuntimeError' | 'CompileError' | 'Ignored'
  statusReason?: string
}

export interface Report {
  directory: string
  minutes: number
  mutants: Mutant[]
}

/** A mutant that a test has waited for in vain: as good as any other, where the machine was not too busy. */
const isByTime = ({ status, statusReason = '' }: Mutant) =>
  status === 'Killed' && /Exceeded timeout of \d+ ms/.test(statusReason)

const columns: [title: string, counts: (mutant: Mutant) => boolean][] = [
  ['mutants', () => true],
  ['killed', ({ status }) => status === 'Killed'],
  ['of these by a time limit', isByTime],
  ['process stuck', ({ status }) => status === 'Timeout'],
  ['survived', ({ status }) => status === 'Survived'],
  ['not reached', ({ status }) => status === 'NoCoverage'],
  ['not tested', ({ status }) => ['RuntimeError', 'CompileError', 'Ignored'].includes(status)],
]

/** Percent killed of those that were tested; NaN: none was. */
export function scoreOf(mutants: Mutant[]): number {
  const count = (...wanted: Mutant['status'][]) =>
    mutants.filter(({ status }) => wanted.includes(status)).length
  return (100 * count('Killed', 'Timeout')) / count('Killed', 'Timeout', 'Survived', 'NoCoverage')
}

export function tableOf(reports: Report[]): string {
  const all = reports.flatMap(({ mutants }) => mutants)
  const files = Object.entries(Object.groupBy(all, ({ file }) => file))
  const titles = [...columns.map(([title]) => title), 'score']
  return [
    `Node.js ${process.versions.node}, ${['@stryker-mutator/core', 'jest'].map(versionOf).join(', ')}`,
    '',
    row('directory', [...titles, 'minutes']),
    row('---', [...titles.map(() => '--:'), '--:']),
    ...reports.map(({ directory, mutants, minutes }) =>
      row(`src/${directory}`, [...cells(mutants), minutes.toFixed(0)]),
    ),
    '',
    row('file', titles),
    row('---', [...titles.map(() => '--:')]),
    ...files.sort().map(([file, mutants = []]) => row(file, cells(mutants))),
    '',
  ].join('\n')
}

const row = (name: string, cells: string[]) => `| ${[name, ...cells].join(' | ')} |`

const cells = (mutants: Mutant[]) => [
  ...columns.map(([, counts]) => String(mutants.filter(counts).length)),
  Number.isNaN(scoreOf(mutants)) ? '–' : `${scoreOf(mutants).toFixed(1)} %`,
]

const versionOf = (name: string) =>
  `${name} ${JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version}`
