import axe from 'axe-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { handsOn, openStage, type Stage, untilFaults } from './harness.ts'

// What everybody must be able to read and use, in every state in which the page can be, wide and narrow, light and dark.

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
}, 120_000)
afterAll(() => stage?.close())

const WIDE = { viewport: { width: 1440, height: 900 } }
const NARROW = { viewport: { width: 375, height: 812 }, hasTouch: true }

/** By the language of the browser, and by the theme of the system, as a person comes. */
const looks: [string, BrowserContextOptions][] = [
  ['wide, English, light', { ...WIDE, locale: 'en-GB', colorScheme: 'light' }],
  ['wide, Chinese, dark', { ...WIDE, locale: 'zh-CN', colorScheme: 'dark' }],
  ['narrow, English, dark', { ...NARROW, locale: 'en-GB', colorScheme: 'dark' }],
  ['narrow, Chinese, light', { ...NARROW, locale: 'zh-CN', colorScheme: 'light' }],
]

async function isFine(page: Page, state: string) {
  // The marks of what has just changed fade; their colours on the way are no state.
  await page.evaluate(() => {
    const { document } = globalThis as unknown as { document: { getAnimations(): { finish(): void }[] } }
    for (const animation of document.getAnimations()) animation.finish()
  })
  await page.evaluate(axe.source)
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
    const found = await axe.run()
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
  expect([state, violations]).toEqual([state, []])
  const width = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
  expect([state, width]).toEqual([state, 0])
}

test.each(looks)('%s', async (_name, options) => {
  const { page, complaints } = await stage.browser.open(stage.url, options)
  const isChinese = options.locale === 'zh-CN'
  const press = (english: string | RegExp, chinese: string | RegExp) =>
    page
      .getByRole('button', { name: isChinese ? chinese : english })
      .first()
      .click()
  const { screen, notice } = handsOn(page)
  await page.locator('.try').waitFor()
  expect(await page.locator('html').getAttribute('lang')).toBe(isChinese ? 'zh-CN' : 'en')
  expect(await page.locator('html').getAttribute('data-theme')).toBe(options.colorScheme)
  await isFine(page, 'at first')

  await press('Sign in with WeChat', '微信登录')
  await screen.locator('.profile').waitFor()
  await page.locator('.user-row').waitFor()
  await isFine(page, 'signed in')

  await press(/^Use .* number$/, /手机号$/)
  await page.getByRole('dialog').waitFor()
  await isFine(page, 'asked')
  await press('Allow', /^允许$/)
  await notice.locator('.bound').waitFor()
  for (const part of await page.locator('.call').first().locator('summary').all()) await part.click()
  await press('Show the function', '查看这个函数')
  await page.locator('pre', { hasText: 'security definer' }).first().waitFor()
  await isFine(page, 'bound, and all of it opened')

  await press('My QR code', '我的小程序码')
  await page.getByRole('dialog').locator('img').waitFor()
  await isFine(page, 'with the code')
  await press('Close', '关闭')

  const busy = page.getByRole('switch').nth(1)
  await busy.click()
  await press(/^Use .* number$/, /手机号$/)
  await press('Allow', /^允许$/)
  await notice.locator('.failure').waitFor()
  await isFine(page, 'failed')
  await busy.click()
  await untilFaults(stage, 0)
  expect(complaints).toEqual([])
  await page.context().close()
})
