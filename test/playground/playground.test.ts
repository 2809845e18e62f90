import type { Page } from 'playwright-core'
import { send } from '../support/client.ts'
import { ended } from '../support/start.ts'
import { until } from '../tasks/harness.ts'
import { handsOn, openStage, type Stage, untilFaults } from './harness.ts'

// The playground as a person has it: `npm start`, and Chromium. Nothing on the page may be said that the tables do not say.

let stage: Stage
let page: Page
let complaints: string[]

beforeAll(async () => {
  stage = await openStage()
}, 120_000)
afterAll(() => stage?.close())

beforeEach(async () => {
  ;({ page, complaints } = await stage.browser.open(stage.url))
})
afterEach(async () => {
  await page.context().close()
  expect(complaints).toEqual([])
})

const userOf = async (openid: string) =>
  (
    await stage.rows<{ id: string; phone: string | null }>(
      'select id, phone from auth.users where wechat_id = $1',
      [openid],
    )
  )[0]!

/** Retries until it holds, as a person looks until it is there. */
const shows = async (locator: ReturnType<Page['locator']>, text: string | RegExp) => {
  let shown = ''
  const isThere = async () => {
    shown = (await locator.allTextContents()).join('\n')
    return typeof text === 'string' ? shown.includes(text) : text.test(shown)
  }
  await until(isThere).catch(() => {
    throw new Error(`The page never said ${text}, but ${shown}`)
  })
}

/** Alice, signed in and without a number. */
async function alice() {
  const hands = handsOn(page)
  await hands.signIn()
  if (await hands.button('Remove the number').isVisible()) {
    await hands.press('Remove the number')
    await hands.number.getByText('none yet').waitFor()
  }
  return hands
}

describe('binding', () => {
  test('the phone goes from the tap to the row, and each hop is shown', async () => {
    const hands = await alice()
    await hands.tap()
    await hands.number.getByText('+8613800138000').waitFor()
    await shows(hands.notice, 'Your number is saved.')
    expect((await userOf('o-alice')).phone).toBe('+8613800138000')

    for (const step of ['wechat_claim_code', 'POST /wxa/business/getuserphonenumber', 'wechat_bind_phone'])
      await shows(hands.call.locator('summary'), step)
    await shows(hands.call, 'POST /graphql')
    await shows(hands.call.locator('header'), '200')
    const row = page.getByRole('table', { name: 'The row in auth.users' })
    await shows(row.getByRole('row', { name: 'phone +8613800138000' }), '+8613800138000')
    await shows(page.locator('.entries').first(), 'phone_bound')
    await shows(page.locator('.entries').first(), '+86138****8000')
    // By the worker, in this process.
    await shows(page.locator('.entries').nth(1).locator('li').first(), /phone\.bound.*relayed/s)
  })

  test('a step opens to its statement, its values, its row and the function that it calls', async () => {
    const hands = await alice()
    await hands.tap('+85251234567')
    await hands.number.getByText('+85251234567').waitFor()
    await hands.part('wechat_bind_phone').click()
    await shows(hands.call.locator('details[open]'), 'select * from auth_private.wechat_bind_phone(')
    await shows(hands.call.locator('details[open]'), '"outcome": "bound"')
    await hands.press('Show the function')
    await shows(hands.call.locator('details[open]'), 'security definer')
    await hands.part('getuserphonenumber').click()
    await shows(hands.call.locator('details[open]'), 'access_token=…')
    await shows(hands.call.locator('details[open]'), '"countryCode": "852"')
  })

  test('through REST as through GraphQL', async () => {
    await page.getByRole('radio', { name: 'REST' }).check()
    const hands = await alice()
    await hands.tap()
    await hands.number.getByText('13800138000').waitFor()
    await shows(hands.call, 'POST /auth/v1/wechat_mini/bind_phone')
    expect((await userOf('o-alice')).phone).toBe('+8613800138000')
    await hands.press('Remove the number')
    await hands.number.getByText('none yet').waitFor()
    await shows(hands.call, 'POST /auth/v1/wechat_mini/unbind_phone')
  })

  test('who declines has given nothing', async () => {
    const hands = await alice()
    await hands.press('Use my WeChat number')
    const before = await hands.calls.count()
    await hands.press('Deny')
    await shows(hands.notice, 'No number was passed on.')
    await hands.press('Use my WeChat number')
    await page.keyboard.press('Escape')
    await shows(hands.notice, 'No number was passed on.')
    expect(await hands.calls.count()).toBe(before)
    expect((await userOf('o-alice')).phone).toBeNull()
  })

  test('what an administrator does in SQL is seen at once', async () => {
    const hands = await alice()
    await hands.tap()
    await hands.number.getByText('+8613800138000').waitFor()
    const { id } = await userOf('o-alice')
    await stage.rows('select auth.admin_unbind_phone($1, $2)', [id, 'the number was recycled'])
    await shows(page.locator('.entries').first().locator('li').first(), 'the number was recycled')
    await shows(page.locator('.user-row tr', { hasText: /^phone(null)?$/ }), 'null')
  })
})

describe('what goes wrong', () => {
  const tapWith = async (trouble: string) => {
    const hands = await alice()
    await hands.switch(trouble)
    await hands.tap()
    return hands
  }

  test.each([
    ['WeChat does not answer', 'wechat_unavailable'],
    ['WeChat is busy (-1)', 'wechat_unavailable'],
  ])('%s: the same tap again, when it is over', async (trouble, code) => {
    const hands = await tapWith(trouble)
    await shows(hands.notice, code)
    expect((await userOf('o-alice')).phone).toBeNull()
    await hands.switch(trouble)
    await hands.press('Try again')
    await hands.number.getByText('+8613800138000').waitFor()
    await shows(hands.notice, 'Your number is saved.')
  })

  test('WeChat redeems the code, and its answer is lost: a new tap', async () => {
    const hands = await tapWith('WeChat redeems the code')
    await shows(hands.notice, 'wechat_unavailable')
    await hands.switch('WeChat redeems the code')
    await hands.press('Try again')
    await shows(hands.notice, 'This tap has expired. Tap again.')
    await shows(hands.call.locator('header'), 'wechat_code_invalid')
    await hands.tap()
    await hands.number.getByText('+8613800138000').waitFor()
  })

  test('WeChat answers without a number: the outcome is kept', async () => {
    const hands = await tapWith('WeChat answers without a number')
    await shows(hands.notice, 'wechat_phone_unusable')
    await hands.switch('WeChat answers without a number')
    await hands.tap()
    await hands.number.getByText('+8613800138000').waitFor()
  })

  test('our answer is lost: the first one comes back, and WeChat is not asked', async () => {
    const hands = await tapWith('Our answer does not reach the phone')
    await shows(hands.notice, 'No answer came.')
    await shows(hands.call, 'The answer did not reach the phone')
    expect((await userOf('o-alice')).phone).toBe('+8613800138000')
    await hands.switch('Our answer does not reach the phone')
    await hands.press('Try again')
    await shows(hands.notice, 'Your number is saved.')
    await shows(hands.call, 'WeChat was not asked.')
    expect(await hands.part('getuserphonenumber').count()).toBe(0)
  })

  test('the finger taps twice: one question to WeChat', async () => {
    const hands = await tapWith('The finger taps twice')
    await hands.number.getByText('+8613800138000').waitFor()
    const taps = page.locator('.call', { hasText: 'wechatBindPhone' })
    expect(await taps.count()).toBe(2)
    expect(await taps.locator('summary', { hasText: 'getuserphonenumber' }).count()).toBe(1)
  })

  test('the number is taken: nobody loses it', async () => {
    const hands = await tapWith('The number is taken')
    await shows(hands.notice, 'phone_exists')
    expect((await userOf('o-carol')).phone).toBe('+8613700137000')
    expect((await userOf('o-alice')).phone).toBeNull()
  })

  test('our access token is dead: nobody notices', async () => {
    const hands = await tapWith('Our access token is dead')
    await hands.number.getByText('+8613800138000').waitFor()
    await shows(hands.call, '"errcode":40001')
    await shows(hands.call, 'POST /cgi-bin/stable_token')
  })

  test('a switch is still on after a reload, where the simulator still has it', async () => {
    const busy = page.getByRole('switch', { name: 'WeChat is busy' })
    await busy.click()
    await untilFaults(stage, 1)
    await page.reload()
    await until(() => busy.isChecked())
    await busy.click()
    await untilFaults(stage, 0)
    await page.reload()
    await page.getByText('What goes wrong').waitFor()
    expect(await busy.isChecked()).toBe(false)
  })

  test.each([
    'WeChat does not answer',
    'WeChat is busy',
    'WeChat redeems the code',
    'WeChat answers without a number',
  ])('%s: on in every tab, whoever has thrown the switch', async name => {
    await handsOn(page).switch(name)
    const other = await stage.browser.open(stage.url)
    const its = other.page.getByRole('switch', { name })
    await until(() => its.isChecked())
    await its.click()
    await untilFaults(stage, 0)
    await other.page.context().close()
    expect(other.complaints).toEqual([])
  })
})

describe('the session', () => {
  test('a second phone, a second user, and the end of all sessions', async () => {
    const hands = await alice()
    await page.getByRole('tab', { name: 'Alice’s second phone' }).click()
    await hands.signIn()
    await page.getByRole('tab', { name: 'Bob’s phone' }).click()
    await hands.signIn()
    await hands.tap()
    await hands.number.getByText('+8613900139000').waitFor()
    expect((await userOf('o-bob')).phone).toBe('+8613900139000')

    await page.getByRole('tab', { name: 'Alice’s phone' }).click()
    await hands.press('Sign out on all phones')
    await shows(hands.notice, 'You are signed out.')
    await page.getByRole('tab', { name: 'Alice’s second phone' }).click()
    await hands.press('My QR code')
    await shows(hands.notice, 'This session was ended. Sign in again.')
    // What the service refuses, Chromium itself writes down.
    expect(complaints.splice(0)).toEqual([expect.stringContaining('403 (Forbidden)')])
    await hands.button('Sign in with WeChat').waitFor()
    // What has become of the account may still be looked at.
    await shows(page.locator('.sessions'), '0 alive')
    await page.getByRole('tab', { name: 'Bob’s phone' }).click()
    await hands.press('Refresh the session')
    await shows(hands.call, 'refresh_session')
    await hands.press('Sign out')
    await shows(hands.notice, 'You are signed out.')
  })

  test('outlives a reload; language, theme and entrance do, too', async () => {
    const hands = await alice()
    await page.getByRole('radio', { name: 'REST' }).check()
    await hands.press('Dark')
    await hands.press('中文')
    await page.getByRole('heading', { name: '发生了什么' }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: '退出登录' }).waitFor()
    expect(await page.getByRole('radio', { name: 'REST' }).isChecked()).toBe(true)
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('button', { name: 'Light' }).click()
    await page.getByRole('heading', { name: 'What happens' }).waitFor()
  })

  test('an image of the mini program code', async () => {
    const hands = await alice()
    await hands.press('My QR code')
    const image = page.getByAltText('The QR code that WeChat made for this user')
    await image.waitFor()
    await until(() =>
      image.evaluate(element => (element as unknown as { naturalWidth: number }).naturalWidth > 100),
    )
    await hands.press('Close')
    await image.waitFor({ state: 'hidden' })
  })

  test('by keyboard alone', async () => {
    const hands = handsOn(page)
    const focused = () => page.locator(':focus')
    await hands.button('Sign in with WeChat').focus()
    await page.keyboard.press('Enter')
    await hands.button('Sign out').waitFor()
    await hands.button(/^Use (my WeChat|another) number$/).focus()
    await page.keyboard.press('Space')
    await until(async () => (await focused().textContent()) === 'Allow')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('ArrowDown')
    expect(await page.getByRole('radio', { name: '+85251234567' }).isChecked()).toBe(true)
    await page.keyboard.press('Escape')
    await until(async () => (await focused().getAttribute('id')) === 'screen')
    await page.getByRole('tab', { name: 'Alice’s phone' }).focus()
    await page.keyboard.press('ArrowLeft')
    expect(await focused().textContent()).toBe('Bob’s phone')
    await page.keyboard.press('ArrowRight')
    expect(await focused().textContent()).toBe('Alice’s phone')
  })
})

test('a request of another client is shown while it is served, without its bodies', async () => {
  await page.getByText('Every request to the service appears here').waitFor()
  const { body } = await send(`${stage.url}/simulator/login-codes`, {
    method: 'POST',
    body: JSON.stringify({ openid: 'o-dora' }),
  })
  await send(`${stage.url}/auth/v1/wechat_mini/login?code=${body.code}`)
  const { call } = handsOn(page)
  await shows(call, 'another client')
  await shows(call, 'GET /auth/v1/wechat_mini/login')
  await shows(call, 'wechat_sign_in')
  expect(await call.locator('.label').allTextContents()).toEqual(['WeChat', 'SQL'])
})

test('the stream keeps the secrets between us and WeChat', async () => {
  const heard: string[] = []
  const stopped = new AbortController()
  const response = await fetch(`${stage.url}/playground/steps`, { signal: stopped.signal })
  const reading = (async () => {
    for await (const chunk of response.body!) heard.push(Buffer.from(chunk).toString())
  })().catch(() => {})
  const hands = await alice()
  await hands.switch('Our access token is dead')
  await hands.tap()
  await hands.number.getByText('+8613800138000').waitFor()
  await until(() => heard.join('').includes('wechat_put_access_token'))
  stopped.abort()
  await reading
  const [app] = await stage.rows<{ access_token: string }>(
    'select access_token from auth_private.wechat_access_tokens',
  )
  const secret = /secret (\w+)\)/.exec(stage.service.output())![1]!
  for (const value of [app!.access_token, secret]) {
    expect(value.length).toBeGreaterThan(20)
    expect(heard.join('')).not.toContain(value)
  }
  expect(heard.join('')).not.toMatch(/"session_key":"[^…]/)
})

test('what is nobody’s business is not told', async () => {
  const code = async (path: string, headers = {}) => {
    const { status, body } = await send(`${stage.url}${path}`, { headers })
    return [status, body.error_code]
  }
  expect(await code('/playground/stored')).toEqual([401, 'no_authorization'])
  expect(await code('/playground/stored', { authorization: 'Bearer x' })).toEqual([403, 'bad_jwt'])
  expect(await code('/playground/functions/..%2F..%2Fschema')).toEqual([404, 'validation_failed'])
  expect(await code('/playground/../package.json')).toEqual([404, 'validation_failed'])
  expect(await code('/playground/main.tsx')).toEqual([404, 'validation_failed'])
  const { headers } = await send(`${stage.url}/`)
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
})

test('with the real WeChat no phone is played, and the service ends though a page looks on', async () => {
  const other = await openStage({ WECHAT_APP_ID: 'wx00000000000000aa', WECHAT_APP_SECRET: 'f'.repeat(32) })
  try {
    const opened = await other.browser.open(other.url)
    await opened.page.getByText('This service asks the real WeChat').waitFor()
    expect(await opened.page.getByRole('tab').count()).toBe(0)
    expect(opened.complaints).toEqual([])
    other.service.child.kill('SIGINT')
    await ended(other.service.child)
    expect(other.service.child.exitCode).toBe(0)
  } finally {
    await other.close()
  }
}, 120_000)
