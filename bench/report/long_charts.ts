import { colourOf, draw, FAINT, hidden, INK, names, values } from './panels.ts'
import { OURS, type Results } from './results.ts'
import { whole } from './tables.ts'
import { GROWTH_AT_LEAST, MEMORY_AT_MOST, millions } from './targets.ts'

// The charts of what takes long to measure: many users, and memory over time.

export function growth({ users, compared: rows }: NonNullable<Results['growth']>['result']): string {
  const name = ({ operation, protocol }: (typeof rows)[number]) => `${operation}, ${protocol}`
  const most = Math.max(1, ...rows.map(row => row.ratio))
  return draw({
    title: `${millions(users)} users against 1,000`,
    subtitle: `Requests a second with ${millions(users)} users, as a part of those with 1,000. The line: ${GROWTH_AT_LEAST}, what is wanted at least.`,
    columns: 1,
    panelHeight: 24 * rows.length + 14,
    panels: [
      {
        title: '',
        left: 150,
        right: 40,
        xAxis: hidden(most),
        yAxis: names(rows.map(name)),
        series: [
          {
            type: 'bar',
            barWidth: 14,
            data: rows.map(row => ({
              value: row.ratio,
              itemStyle: {
                color: colourOf(row.protocol === 'GraphQL' ? OURS.GraphQL : OURS.REST),
                borderRadius: 3,
              },
              // Inside: the line would go through labels beside the bars.
              label: {
                show: true,
                position: 'insideLeft',
                fontSize: 11,
                color: row.protocol === 'GraphQL' ? INK : '#ffffff',
                formatter: `${row.ratio.toFixed(2)}  ·  ${whole(row.large.perSecond)} of ${whole(row.small.perSecond)}`,
              },
            })),
            markLine: line({ xAxis: GROWTH_AT_LEAST }),
          },
        ],
      },
    ],
  })
}

export function memory({ samples, highest }: NonNullable<Results['memory']>['result']): string {
  const last = samples.at(-1)?.[0] ?? 0
  return draw({
    title: 'Memory of the service under load',
    subtitle: `MiB of its process over minutes. The line: ${MEMORY_AT_MOST}, what is wanted at most.`,
    columns: 1,
    panelHeight: 240,
    axisHeight: 16,
    panels: [
      {
        title: '',
        left: 48,
        right: 24,
        xAxis: values({ max: last / 60, splitLine: { show: false }, ...bare, axisLabel: minutes }),
        yAxis: values({
          min: 0,
          ...bare,
          max: Math.ceil(Math.max(highest, MEMORY_AT_MOST * 1.1) / 50) * 50,
        }),
        series: [
          {
            type: 'line',
            data: thinned(samples, 300).map(([seconds, mib]) => [
              Math.round(seconds / 0.6) / 100,
              Math.round(mib),
            ]),
            showSymbol: false,
            lineStyle: { color: colourOf(OURS.REST), width: 2 },
            areaStyle: { color: colourOf(OURS.GraphQL), opacity: 0.18 },
            markLine: line({ yAxis: MEMORY_AT_MOST }),
          },
        ],
      },
    ],
  })
}

const bare = { axisTick: { show: false }, axisLine: { show: false } }
const minutes = { fontSize: 11, color: FAINT, formatter: '{value} min', showMaxLabel: false }

/** As many points as a chart can show. */
function thinned<Sample>(samples: Sample[], most: number): Sample[] {
  const step = Math.ceil(samples.length / most)
  return samples.filter((_, i) => i % step === 0 || i === samples.length - 1)
}

const line = (at: { xAxis?: number; yAxis?: number }) => ({
  symbol: 'none',
  silent: true,
  label: { show: false },
  lineStyle: { color: '#b45309', type: 'dashed', width: 1.5 },
  data: [at],
})
