import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { openStage } from '../test/playground/harness.ts'

// The pictures of the README, `npm run pictures`: the playground after a bind whose answer was lost. Run it on a machine that
// has a Chinese font.

const directory = new URL('../docs/images/', import.meta.url)

const words = {
  'playground.png': { locale: 'en-GB', signIn: 'Sign in with WeChat', allow: 'Allow', again: 'Try again' },
  'playground.zh-CN.png': { locale: 'zh-CN', signIn: '微信登录', allow: '允许', again: '重试' },
}
/** In the page's order. */
const LOST = 5

await mkdir(directory, { recursive: true })
for (const [name, { locale, signIn, allow, again }] of Object.entries(words)) {
  const stage = await openStage()
  const options = { locale, viewport: { width: 1400, height: 900 }, deviceScaleFactor: 1.5 }
  const { page } = await stage.browser.open(stage.url, options)
  const press = (text: string) => page.getByRole('button', { name: text, exact: true }).click()
  await press(signIn)
  await page.locator('.user-row').waitFor()
  await page.getByRole('switch').nth(LOST).click()
  await page.locator('.profile .primary').click()
  await press(allow)
  await page.locator('.notice.failure').waitFor()
  await page.getByRole('switch').nth(LOST).click()
  await press(again)
  await page.locator('.notice.bound').waitFor()
  // Until the relay has taken the event, and the marks of what has changed are gone.
  await page.waitForTimeout(6_000)
  await page.evaluate('scrollTo(0, 0)')
  await page.screenshot({ path: fileURLToPath(new URL(name, directory)) })
  await stage.close()
}
