import { type Endpoint, FAULT_KINDS, type Fault, type FaultKind, type FaultPlan } from './types.ts'

interface Planned extends FaultPlan {
  id: number
  /** How many calls it has befallen. */
  struck: number
}

/**
 * The faults to come. A call takes one of them: the first in order of addition that concerns it and on which the dice
 * fall, those for a number of calls before those that stay, so that a single failure can be had amid lasting chaos.
 */
export class FaultList {
  readonly #random: () => number
  #plans: Planned[] = []
  #lastId = 0

  /** `random` gives numbers from 0 to below 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  get plans(): readonly Planned[] {
    return this.#plans
  }

  /** Adds a fault; its id. */
  add(plan: FaultPlan): number {
    this.#lastId += 1
    this.#plans.push({ ...plan, id: this.#lastId, struck: 0 })
    return this.#lastId
  }

  /** Removes one fault, or all; how many there were. */
  remove(id?: number): number {
    const before = this.#plans.length
    this.#plans = id === undefined ? [] : this.#plans.filter(plan => plan.id !== id)
    return before - this.#plans.length
  }

  /** Whether it matters to `take` which app a call is of. */
  needsApp(endpoint: Endpoint): boolean {
    return this.#plans.some(plan => plan.appid !== undefined && concerns(plan, endpoint))
  }

  /** The fault of a call that has just arrived; it has then had one of its times. */
  take(endpoint: Endpoint, appid: string | undefined): FaultPlan | undefined {
    const isStanding = ({ times }: Planned) => times === Infinity
    const inOrder = [...this.#plans.filter(plan => !isStanding(plan)), ...this.#plans.filter(isStanding)]
    const plan = inOrder.find(
      candidate =>
        concerns(candidate, endpoint) &&
        (candidate.appid === undefined || candidate.appid === appid) &&
        (candidate.probability >= 1 || this.#random() < candidate.probability),
    )
    if (!plan) return undefined
    plan.struck += 1
    plan.times -= 1
    if (plan.times <= 0) this.remove(plan.id)
    return plan
  }
}

const concerns = (plan: FaultPlan, endpoint: Endpoint) => plan.endpoint === '*' || plan.endpoint === endpoint

/** What a fault is called: its member that makes it one. */
export const kindOf = (fault: Fault): FaultKind => FAULT_KINDS.find(kind => kind in fault)!
