import type { Node } from '../support/service.ts'

/** Everything is asked anew, every time. */
export const AT_ONCE = { answerMs: 0, databaseMs: 0 }

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** The lines of Prometheus' text format. Throws at one that is none. */
export const parse = (text: string): Sample[] =>
  text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const [, name, labels = '', value] =
        /^([a-zA-Z_]\w*)(?:\{(.*)\})? ([Nn]a[Nn]|[+-]Inf|-?\d[\d.e+-]*)$/.exec(line) ?? []
      if (name === undefined) throw new Error(`no sample: ${line}`)
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])),
        value: Number(value),
      }
    })

export const scrape = async (node: Node): Promise<Sample[]> => {
  const response = await fetch(`${node.url}/metrics`)
  if (response.status !== 200) throw new Error(`${response.status}`)
  return parse(await response.text())
}

/** The sum of the samples of `name` (without its prefix) that have these labels; undefined: there is none. */
export function sumOf(samples: Sample[], name: string, labels: Record<string, string> = {}) {
  const found = samples.filter(
    sample =>
      sample.name === `postgraphile_wechat_${name}` &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

export const counted = (samples: Sample[], rpc: string, outcome: string) =>
  sumOf(samples, 'rpc_duration_seconds_count', { rpc, outcome }) ?? 0
