import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startBrowser, type TestBrowser } from '../support/browser.ts'
import { send } from '../support/client.ts'
import { asOwnerOf, ended, launchIn, type Started, untilReady } from '../support/start.ts'
import { until } from '../tasks/harness.ts'

/** `npm start` and a browser. */
export interface Stage {
  url: string
  browser: TestBrowser
  dataDir: string
  service: Started
  rows<T extends object>(text: string, values?: unknown[]): Promise<T[]>
  close(): Promise<void>
}

export async function openStage(env: Record<string, string> = {}): Promise<Stage> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-playground-'))
  const service = launchIn(dataDir, env)
  const url = await untilReady(service)
  const browser = await startBrowser()
  return {
    ...{ url, browser, dataDir, service },
    rows: (text, values) => asOwnerOf(dataDir, text, values),
    async close() {
      await browser.close()
      service.child.kill('SIGTERM')
      await ended(service.child)
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Waits until the simulator has so many faults. */
export const untilFaults = ({ url }: Pick<Stage, 'url'>, count: number) =>
  until(async () => (await send(`${url}/simulator/faults`)).body.faults.length === count)

/** What a person does with the phone on the page, in English. */
export function handsOn(page: Page) {
  const button = (name: string | RegExp) =>
    page.getByRole('button', { name, exact: typeof name === 'string' })
  const press = (name: string | RegExp) => button(name).click()
  const screen = page.getByRole('tabpanel')
  return {
    screen,
    press,
    button,
    number: page.getByTestId('number'),
    notice: page.getByRole('status'),
    /** The newest request. */
    call: page.locator('.call').first(),
    calls: page.locator('.call'),
    signIn: async () => {
      await press('Sign in with WeChat')
      await button('Sign out').waitFor()
    },
    /** Until the simulator has heard of it, where it is one of its faults. */
    switch: async (name: string) => {
      const heard = name.startsWith('WeChat') && page.waitForResponse(/\/simulator\/faults/)
      await page.getByRole('switch', { name }).click()
      await heard
    },
    /** The button of the mini program, and WeChat's sheet. */
    tap: async (number?: string) => {
      await press(/^Use (my WeChat|another) number$/)
      if (number) await page.getByRole('radio', { name: number }).check()
      await press('Allow')
    },
    /** The part of the newest request with this label. */
    part: (label: string) => page.locator('.call').first().locator('summary', { hasText: label }),
  }
}
