import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import { definitionOf, type Name, names, PREFIX, processMetrics } from '../../src/metrics/catalogue.ts'
import { bindEntrances, freshPhone, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'
import { read } from './promql.ts'
import { AT_ONCE, parse, type Sample } from './samples.ts'

// docs/metrics.md and docs/alerts.yml, compared with a node that runs.

const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')

interface Alert {
  alert: string
  expr: string
  for: string
  labels: { severity: string }
  annotations: { summary: string }
}
const file = parseYaml(readFileSync(new URL('../../docs/alerts.yml', import.meta.url), 'utf8')) as {
  groups: { name: string; rules: Alert[] }[]
}
const alerts = file.groups.flatMap(({ rules }) => rules)
/** Of Prometheus itself. */
const OF_PROMETHEUS = ['instance', 'job']

let db: TestDatabase
let simulator: TestSimulator
let node: Node
let text: string
let samples: Sample[]

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url, metricsPace: AT_ONCE })
  // From then on everything has been there once.
  const { accessToken } = await signIn(node, simulator)
  await bindEntrances['REST POST']!(node, await phoneCode(simulator, freshPhone()), accessToken)
  globalThis.gc?.()
  text = await (await fetch(`${node.url}/metrics`)).text()
  samples = parse(text)
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

/** The metrics that the node declares: name and type. */
const declared = () =>
  new Map([...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]))

describe('the page', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name, rest]) => ({
    name: name!,
    cells: rest!.split(' | '),
  }))

  test('has every metric of the node, and the node every metric of the page', () => {
    const named = rows.map(({ name }) => name)
    expect(named.length).toBeGreaterThan(45)
    expect([...named].sort()).toEqual([...declared().keys()].sort())
  })

  test.each(rows.filter(({ name }) => name.startsWith(PREFIX)))('$name: type, labels and what to do', row => {
    const { name, cells } = row
    const [type, of, unit, labels, help, advice] = cells
    expect(declared().get(name)).toBe(type)
    expect(['process', 'database']).toContain(of)
    expect(unit).toBe(name.endsWith('_seconds') ? 'seconds' : '')
    const real = new Set(
      samples
        .filter(sample => sample.name.replace(/_(bucket|sum|count)$/, '') === name || sample.name === name)
        .flatMap(sample => Object.keys(sample.labels)),
    )
    real.delete('le')
    expect([...labels!.matchAll(/`(\w+)`: /g)].map(([, label]) => label).sort()).toEqual([...real].sort())
    expect(help!.length).toBeGreaterThan(20)
    expect(advice!.length).toBeGreaterThan(20)
  })

  test('names that follow the conventions', () => {
    for (const name of names) {
      const { type } = definitionOf(name)
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
      expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(processMetrics).not.toHaveProperty(PREFIX + name)
    }
  })
})

describe.each(alerts)('$alert', ({ expr, for: patience, labels, annotations }) => {
  const { faults, selectors, groupings, aggregated } = read(expr)
  const baseOf = (metric: string) => metric.replace(/_(bucket|sum|count)$/, '')
  const labelsOf = (metric: string) =>
    metric.startsWith(PREFIX)
      ? Object.keys(definitionOf(baseOf(metric).slice(PREFIX.length) as Name).labels)
      : []

  test('is an expression', () => {
    expect(faults).toEqual([])
    expect(selectors.length).toBeGreaterThan(0)
  })

  test('names series of the node', () => {
    for (const { metric } of selectors) {
      const type = declared().get(metric) ?? declared().get(baseOf(metric))
      expect([metric, type]).toEqual([metric, expect.any(String)])
      expect(samples.map(({ name }) => name)).toContain(metric)
      if (metric.endsWith('_bucket')) expect(groupings).toContain('le')
    }
  })

  test('names labels that they have, and values that these can have', () => {
    for (const { metric, matchers } of selectors)
      for (const { label, operator, value } of matchers) {
        if (OF_PROMETHEUS.includes(label)) continue
        expect(labelsOf(metric)).toContain(label)
        const values = definitionOf(baseOf(metric).slice(PREFIX.length) as Name).labels[label]!
        expect(values).toBeInstanceOf(Array)
        const list = [...values]
        // Each of the alternatives, not the one that is right beside one that is not.
        const alternatives = operator.includes('~') ? value.split('|') : [value]
        for (const alternative of alternatives) {
          const pattern = operator.includes('~') ? new RegExp(`^(?:${alternative})$`) : undefined
          expect([alternative, list.some(one => pattern?.test(one) ?? one === alternative)]).toEqual([
            alternative,
            true,
          ])
        }
      }
    const known = [...selectors.flatMap(({ metric }) => labelsOf(metric)), 'le', ...OF_PROMETHEUS]
    for (const label of groupings) expect(known).toContain(label)
  })

  test('says for how long, how bad it is, and what to do, by labels that it has', () => {
    expect(patience).toMatch(/^[1-9]\d*m$/)
    expect(['critical', 'warning']).toContain(labels.severity)
    const { summary } = annotations
    expect(summary).toMatch(/\b(see|look|add|start|run|reset|report|raise|says)\b/i)
    const used = [...summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!)
    const had = aggregated
      ? groupings
      : [...selectors.flatMap(({ metric }) => labelsOf(metric)), ...OF_PROMETHEUS]
    for (const label of used) expect(had).toContain(label)
  })
})

test('there is an alert for everything that an operator has to hear of', () => {
  const metrics = new Set(alerts.flatMap(({ expr }) => read(expr).selectors.map(({ metric }) => metric)))
  const watched = (name: Name) => [...metrics].some(metric => metric.startsWith(PREFIX + name))
  const silent = names.filter(name => !watched(name))
  // What these say is for graphs, and for finding out why.
  expect(silent).toEqual([
    'access_token_age_seconds',
    'database_pool_connections',
    'database_pool_size',
    'outbox_events',
  ])
})

test('the reading of expressions finds what is wrong', () => {
  expect(read('sum by (a (x)').faults).not.toEqual([])
  expect(read('rate(x[5m]').faults).not.toEqual([])
  expect(read('x{a="b",c=~"d|e"} > 1 and on (f) sum by (g) (y)')).toEqual({
    faults: [],
    selectors: [
      {
        metric: 'x',
        matchers: [
          { label: 'a', operator: '=', value: 'b' },
          { label: 'c', operator: '=~', value: 'd|e' },
        ],
      },
      { metric: 'y', matchers: [] },
    ],
    groupings: ['f', 'g'],
    aggregated: true,
  })
})
