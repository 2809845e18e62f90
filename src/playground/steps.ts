// Hop before: src/playground/watch.ts, which tells of what happens. Hop after: the pages that look, by src/playground/routes.ts.
import { requestStore } from '../log.ts'
import type { Step } from './protocol.ts'

type Kind = Step['kind']
type Of<K extends Kind> = Extract<Step, { kind: K }>
export type Begun<K extends Kind> = Omit<Of<K>, 'id' | 'at' | 'ended'>
export type Ended<K extends Kind> = Omit<NonNullable<Of<K>['ended']>, 'ms'>

export interface Steps {
  /** Tells of a step; what comes back tells of its end, once. */
  begin<K extends Kind>(step: Begun<K> & { kind: K }): (ended: Ended<K>) => void
  /** The request in which this is called, while it is served: what its timers do later is no part of it any more. */
  servedRequest(): string | undefined
  /** Hears of all steps from now on, until what comes back is called. */
  listen(listener: (step: Step) => void): () => void
}

export function createSteps(): Steps {
  const listeners = new Set<(step: Step) => void>()
  const tell = (step: Step) => {
    for (const listener of listeners) listener(step)
  }
  const served = new Set<string>()
  let lastId = 0
  return {
    begin(begun) {
      const step = { ...begun, id: ++lastId, at: Date.now() } as unknown as Step
      const started = performance.now()
      if (step.kind === 'http') served.add(step.request)
      tell(step)
      return ended => {
        if (step.kind === 'http') served.delete(step.request)
        tell({ ...step, ended: { ...ended, ms: Math.round(performance.now() - started) } } as Step)
      }
    },
    servedRequest() {
      const request = requestStore.getStore()?.req_id
      return request !== undefined && served.has(request) ? request : undefined
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
