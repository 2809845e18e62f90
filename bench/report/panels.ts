import * as echarts from 'echarts'

// Charts as SVG text: panels side by side on a white card, which reads on GitHub's light and dark pages alike.

export const INK = '#1f2937'
export const FAINT = '#6b7280'
const LINES = '#e5e7eb'

/** Ours in WeChat's hue, the others in greys, what nobody can beat in ink. */
const colours: Record<string, string> = {
  'ours, REST': '#067a3e',
  'ours, GraphQL': '#3ec27f',
  'tuned fastify': '#566476',
  'fastify, our SQL': '#7d8ba0',
  'naive express': '#93a0b0',
  'plain PostGraphile': '#c3cbd5',
  'own SQL alone': '#1f2937',
}
export const colourOf = (system: string) => colours[system] ?? '#b9a7d1'

export interface Panel {
  title: string
  xAxis: object
  yAxis: object
  series: Record<string, unknown>[]
  /** Room for the labels of the axis. */
  left: number
  right: number
}

export interface Chart {
  title: string
  subtitle: string
  columns: number
  panelHeight: number
  /** Room for what stands below the axis. */
  axisHeight?: number
  panels: Panel[]
  legend?: { name: string; icon: string; itemStyle?: object; lineStyle?: object }[]
}

const WIDTH = 960
const MARGIN = 24
/** Between a panel and the title of the one below. */
const GAP = 42

export function draw({
  title,
  subtitle,
  columns,
  panelHeight,
  axisHeight = 0,
  panels,
  legend,
}: Chart): string {
  const top = (legend ? 104 : 76) - (panels[0]?.title ? 0 : 18)
  const height = top + Math.ceil(panels.length / columns) * (panelHeight + axisHeight + GAP) - 6
  const cell = (WIDTH - 2 * MARGIN) / columns
  const placeOf = (i: number) => ({
    left: MARGIN + (i % columns) * cell,
    top: top + Math.floor(i / columns) * (panelHeight + axisHeight + GAP),
  })
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: 'sans-serif', color: INK },
      title: [
        {
          text: title,
          subtext: subtitle,
          left: MARGIN,
          top: 16,
          itemGap: 6,
          textStyle: { fontSize: 18, fontWeight: 600, color: INK },
          subtextStyle: { fontSize: 12, color: FAINT },
        },
        ...panels.map((panel, i) => ({
          text: panel.title,
          ...placeOf(i),
          textStyle: { fontSize: 14, fontWeight: 600, color: INK },
        })),
      ],
      ...(legend && {
        legend: {
          data: legend,
          left: MARGIN - 4,
          top: 68,
          itemGap: 18,
          itemWidth: 18,
          itemHeight: 10,
          textStyle: { fontSize: 12, color: INK },
        },
      }),
      grid: panels.map((panel, i) => ({
        left: placeOf(i).left + panel.left,
        top: placeOf(i).top + 28,
        width: cell - panel.left - panel.right,
        height: panelHeight - 14,
      })),
      xAxis: panels.map((panel, i) => ({ gridIndex: i, ...panel.xAxis })),
      yAxis: panels.map((panel, i) => ({ gridIndex: i, ...panel.yAxis })),
      series: panels.flatMap((panel, i) =>
        panel.series.map(one => ({ xAxisIndex: i, yAxisIndex: i, silent: true, ...one })),
      ),
    } as echarts.EChartsOption)
    return asCard(chart.renderToSVGString())
  } finally {
    // Otherwise its clock keeps the process alive.
    chart.dispose()
  }
}

/** Rounds the background's corners, and leaves out what is about a browser's mouse, whose names differ from run to run. */
function asCard(svg: string): string {
  const background = /<rect width="\d+" height="\d+" x="0" y="0"[^>]* fill="#ffffff"/
  if (!background.test(svg)) throw new Error('The chart has no background')
  const plain = svg
    .replace(background, found => `${found} rx="12" stroke="${LINES}"`)
    .replaceAll(/<style ?>.*?<\/style>\n?/gs, '')
    .replaceAll(/ (?:class|ecmeta_\w+|pointer-events)="[^"]*"/g, '')
    .replaceAll(/\bzr\d+-/g, 'zr-')
  return `${plain}\n`
}

/** An axis of names, from the top. */
export const names = (data: string[], isStrong: (name: string) => boolean = () => false) => ({
  type: 'category',
  data: data.map(value => ({
    value,
    textStyle: isStrong(value) ? { color: colourOf(value), fontWeight: 600 } : { color: FAINT },
  })),
  inverse: true,
  axisTick: { show: false },
  axisLine: { show: false },
  axisLabel: { fontSize: 12, margin: 10 },
})

/** The axis of bars that have their values beside them. */
export const hidden = (max: number) => ({
  type: 'value',
  max,
  axisLabel: { show: false },
  splitLine: { show: false },
})

export const values = (extra: object = {}) => ({
  type: 'value',
  splitNumber: 4,
  axisLabel: { fontSize: 11, color: FAINT },
  splitLine: { lineStyle: { color: LINES } },
  ...extra,
})

export const steps = (data: (string | number)[], extra: object = {}) => ({
  type: 'category',
  data: data.map(String),
  boundaryGap: false,
  axisTick: { show: false },
  axisLine: { lineStyle: { color: LINES } },
  axisLabel: { fontSize: 11, color: FAINT },
  ...extra,
})
