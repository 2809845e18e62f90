import { signal } from '@preact/signals'
import type { Settings, Stored } from '../protocol.ts'
import { deviceId, phones } from './phones.ts'

export const settings = signal<Settings | undefined>(undefined)
/** What is stored of the phone's user; null: of nobody yet. */
export const stored = signal<Stored | null>(null)

const EVERY_MS = 1_000

async function look() {
  if (document.hidden || !settings.value?.stored) return
  const id = deviceId.value
  const { session, formerToken } = phones.value[id]
  const token = session?.accessToken ?? formerToken
  if (token === undefined) {
    stored.value = null
    return
  }
  const response = await fetch('/playground/stored', { headers: { authorization: `Bearer ${token}` } })
  const rows: Stored | null = response.ok ? await response.json() : null
  // Only what has changed is drawn again.
  if (id === deviceId.value && JSON.stringify(rows) !== JSON.stringify(stored.value)) stored.value = rows
}

/** Looks again and again: an administrator may change a row in psql. */
export function watchStored(): void {
  const again = () =>
    look()
      .catch(() => {})
      .then(() => setTimeout(again, EVERY_MS))
  void again()
}

export async function loadSettings(): Promise<void> {
  settings.value = await (await fetch('/playground/settings')).json()
}
