import { signal } from '@preact/signals'
import { addFault, removeFault, standingFaults } from './simulator.ts'
import { remember, remembered } from './storage.ts'

interface Kind {
  fault?: object
  /** WeChat does its part first. */
  after?: boolean
}

/** What can go wrong, and where: in WeChat (a fault of the simulator), on the way to the phone, or with the user. */
export const TROUBLES = {
  hang: { fault: { hang: true } },
  busy: { fault: { errcode: -1 } },
  redeemed: { fault: { reset: true }, after: true },
  noPhone: { fault: { phone_info: {}, without: ['phoneNumber', 'purePhoneNumber', 'countryCode'] } },
  deadToken: {},
  lost: {},
  taken: {},
  twice: {},
} as const satisfies Record<string, Kind>
export type Trouble = keyof typeof TROUBLES

/** Those that are on; of a fault its number at the simulator. */
export const troubles = signal<Partial<Record<Trouble, number | true>>>({})

export const isOn = (trouble: Trouble) => troubles.value[trouble] !== undefined

function set(next: typeof troubles.value) {
  troubles.value = next
  remember('troubles', next)
}

export async function toggle(trouble: Trouble): Promise<void> {
  const { [trouble]: on, ...others } = troubles.value
  if (on !== undefined) {
    set(others)
    if (on !== true) await removeFault(on).catch(() => {})
    return
  }
  const { fault, after = false }: Kind = TROUBLES[trouble]
  set({ ...others, [trouble]: fault ? await addFault(fault, after) : true })
}

/**
 * Those of the last visit, and the faults that the simulator has by now: of one that was thrown as the page was left nobody
 * has heard its number, and another tab may have thrown one.
 */
export async function recall(): Promise<void> {
  const before = Object.entries(remembered<typeof troubles.value>('troubles', {}))
  const standing = await standingFaults()
  const faults = Object.entries<Kind>(TROUBLES).flatMap(([trouble, { fault, after = false }]) => {
    const found = standing.find(other => other.after === after && isSame(other.fault, fault))
    return found ? [[trouble, found.id]] : []
  })
  set(Object.fromEntries([...before.filter(([, on]) => on === true), ...faults]))
}

const isSame = (one: object, other: object | undefined) => JSON.stringify(one) === JSON.stringify(other)
