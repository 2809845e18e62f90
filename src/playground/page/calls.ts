import { signal } from '@preact/signals'
import type { Step } from '../protocol.ts'

/** A request to the service, and what it set in motion. */
export interface Call {
  /** The request's id. */
  request: string
  at: number
  method: string
  path: string
  /** What the phone wanted; undefined: the request is another client's, and its bodies are not known here. */
  operation?: string
  sent?: unknown
  answer?: unknown
  /** Of the answer, where it is an error: the catalogue's name. */
  failure?: string
  /** The answer did not reach the phone. */
  isLost?: boolean
  ended?: { status: number; ms: number }
  steps: Exclude<Step, { kind: 'http' }>[]
}

const MOST = 30

/** The newest first. */
export const calls = signal<Call[]>([])
/** Whether steps are coming in. */
export const isWatching = signal(false)

export function addCall(call: Call): void {
  calls.value = [call, ...calls.value].slice(0, MOST)
}

export function changeCall(request: string, change: (call: Call) => Call): void {
  calls.value = calls.value.map(call => (call.request === request ? change(call) : call))
}

function take(step: Step) {
  const isKnown = calls.value.some(({ request }) => request === step.request)
  if (step.kind === 'http') {
    const { request, at, method, path, ended } = step
    if (!isKnown && !ended) addCall({ request, at, method, path, steps: [] })
    else if (ended) changeCall(request, call => ({ ...call, ended }))
    return
  }
  changeCall(step.request, call => {
    const others = call.steps.filter(({ id }) => id !== step.id)
    return { ...call, steps: [...others, step].sort((a, b) => a.id - b.id) }
  })
}

/** Hears of every step from now on. The browser connects again by itself where the service was away. */
export function watch(): void {
  const source = new EventSource('/playground/steps')
  source.onopen = () => (isWatching.value = true)
  source.onerror = () => (isWatching.value = false)
  source.onmessage = ({ data }) => take(JSON.parse(data))
}
