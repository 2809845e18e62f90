import { growth, memory } from './long_charts.ts'
import { colourOf, draw, FAINT, hidden, INK, names, type Panel, steps, values } from './panels.ts'
import {
  CONNECTIONS,
  connectionsOf,
  FLOOR,
  isOurs,
  operationsOf,
  type Results,
  rowOf,
  systemsOf,
} from './results.ts'
import { whole } from './tables.ts'

// The charts of docs/performance.md, by the names of their files.

export function charts(results: Results): Record<string, string> {
  return {
    'throughput.svg': throughput(results),
    'connections.svg': connections(results),
    'processor.svg': processor(results),
    ...(results.growth && { 'growth.svg': growth(results.growth.result) }),
    ...(results.memory && { 'memory.svg': memory(results.memory.result) }),
  }
}

const beside = { show: true, position: 'right', distance: 6, fontSize: 11 } as const

function throughput(results: Results): string {
  const panels = operationsOf(results).flatMap((operation): Panel[] => {
    const row = rowOf(results, operation, CONNECTIONS)
    if (!row) return []
    const fastify = row.systems['tuned fastify']?.perSecond
    const bars = [
      ...Object.entries(row.systems).map(([name, { perSecond }]) => ({ name, perSecond })),
      { name: FLOOR, perSecond: row.floor },
    ]
    const label = ({ name, perSecond }: (typeof bars)[number]) =>
      fastify && name !== 'tuned fastify'
        ? `${whole(perSecond)}  ·  ${(perSecond / fastify).toFixed(2)} ×`
        : whole(perSecond)
    return [
      {
        title: operation,
        left: 128,
        right: 96,
        xAxis: hidden(Math.max(...bars.map(bar => bar.perSecond))),
        yAxis: names(
          bars.map(bar => bar.name),
          isOurs,
        ),
        series: [
          {
            type: 'bar',
            barWidth: 16,
            data: bars.map(bar => ({
              value: bar.perSecond,
              itemStyle:
                bar.name === FLOOR
                  ? { color: '#ffffff', borderColor: INK, borderType: 'dashed', borderRadius: 3 }
                  : { color: colourOf(bar.name), borderRadius: 3 },
              label: {
                ...beside,
                formatter: label(bar),
                color: isOurs(bar.name) ? INK : FAINT,
                fontWeight: isOurs(bar.name) ? 600 : 400,
              },
            })),
          },
        ],
      },
    ]
  })
  return draw({
    title: `Requests a second, ${CONNECTIONS} connections`,
    subtitle:
      'Further right is better. ×: of tuned fastify. Own SQL alone: the same statements with nothing before PostgreSQL.',
    columns: 2,
    panelHeight: 168,
    panels,
  })
}

function connections(results: Results): string {
  const at = connectionsOf(results)
  const systems = [...systemsOf(results), FLOOR]
  // Ours last, above the others.
  const order = [...systems.filter(name => !isOurs(name)), ...systems.filter(isOurs).reverse()]
  const rateOf = (operation: string, name: string, at: number) => {
    const row = rowOf(results, operation, at)
    return name === FLOOR ? row?.floor : row?.systems[name]?.perSecond
  }
  return draw({
    title: `Requests a second, ${at.join(', ').replace(/, (\d+)$/, ' and $1')} connections`,
    subtitle: 'Higher is better. Each operation has a scale of its own.',
    columns: 2,
    panelHeight: 190,
    axisHeight: 24,
    legend: systems.map(name => ({
      name,
      icon: 'roundRect',
      itemStyle: { color: colourOf(name) },
    })),
    panels: operationsOf(results).map(operation => ({
      title: operation,
      left: 52,
      right: 28,
      xAxis: steps(at, { boundaryGap: at.length === 1 }),
      yAxis: values({ min: 0 }),
      series: order.map(name => ({
        name,
        type: 'line',
        data: at.map(one => round(rateOf(operation, name, one))),
        symbol: 'circle',
        symbolSize: isOurs(name) ? 8 : 6,
        itemStyle: { color: colourOf(name) },
        lineStyle: {
          color: colourOf(name),
          width: isOurs(name) ? 3 : 2,
          type: name === FLOOR ? 'dashed' : 'solid',
        },
      })),
    })),
  })
}

/** Half way to white: an opacity would take the label with it. */
const lighter = (colour: string) =>
  colour.replace(/[0-9a-f]{2}/g, part => Math.round((Number.parseInt(part, 16) + 255) / 2).toString(16))

const round = (value: number | undefined) => (value === undefined ? null : Math.round(value * 100) / 100)

function processor(results: Results): string {
  const panels = operationsOf(results).flatMap((operation): Panel[] => {
    const row = rowOf(results, operation, CONNECTIONS)
    const bars = Object.entries(row?.systems ?? {}).flatMap(([name, { nodeMs, postgresMs }]) =>
      nodeMs === null || postgresMs === null ? [] : [{ name, nodeMs, postgresMs }],
    )
    if (bars.length === 0) return []
    const series = (part: 'nodeMs' | 'postgresMs') => ({
      type: 'bar',
      stack: operation,
      barWidth: 16,
      data: bars.map(bar => ({
        value: round(bar[part]),
        itemStyle: {
          color: part === 'nodeMs' ? colourOf(bar.name) : lighter(colourOf(bar.name)),
          borderRadius: part === 'nodeMs' ? [3, 0, 0, 3] : [0, 3, 3, 0],
        },
        ...(part === 'postgresMs' && {
          label: {
            ...beside,
            formatter: `${bar.nodeMs.toFixed(2)} + ${bar.postgresMs.toFixed(2)} ms`,
            color: isOurs(bar.name) ? INK : FAINT,
            fontWeight: isOurs(bar.name) ? 600 : 400,
          },
        }),
      })),
    })
    return [
      {
        title: operation,
        left: 128,
        right: 104,
        xAxis: hidden(Math.max(...bars.map(bar => bar.nodeMs + bar.postgresMs))),
        yAxis: names(
          bars.map(bar => bar.name),
          isOurs,
        ),
        series: [series('nodeMs'), series('postgresMs')],
      },
    ]
  })
  return draw({
    title: `Processor time a request, ${CONNECTIONS} connections`,
    subtitle: 'Shorter is better. Dark: Node; light: PostgreSQL. Milliseconds of one core.',
    columns: 2,
    panelHeight: 142,
    panels,
  })
}
