// Hop before: src/playground/watch.ts, which tells of what happens. Hop after: the pages that look, by src/playground/routes.ts.
import type { Step } from './protocol.ts'

type Kind = Step['kind']
type Of<K extends Kind> = Extract<Step, { kind: K }>
export type Begun<K extends Kind> = Omit<Of<K>, 'id' | 'at' | 'ended'>
export type Ended<K extends Kind> = Omit<NonNullable<Of<K>['ended']>, 'ms'>

export interface Steps {
  /** Tells of a step; what comes back tells of its end, once. */
  begin<K extends Kind>(step: Begun<K> & { kind: K }): (ended: Ended<K>) => void
  /** Hears of all steps from now on, until what comes back is called. */
  listen(listener: (step: Step) => void): () => void
}

export function createSteps(): Steps {
  const listeners = new Set<(step: Step) => void>()
  const tell = (step: Step) => {
    for (const listener of listeners) listener(step)
  }
  let lastId = 0
  return {
    begin(begun) {
      const step = { ...begun, id: ++lastId, at: Date.now() } as unknown as Step
      const started = performance.now()
      tell(step)
      return ended =>
        tell({ ...step, ended: { ...ended, ms: Math.round(performance.now() - started) } } as Step)
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
