import { newApp } from '../../src/simulator/control/apps.ts'
import {
  createSimulator,
  SIMULATOR_APP_ID,
  SIMULATOR_APP_SECRET,
  simulatorApp,
} from '../../src/simulator/index.ts'
import { SETTINGS } from '../../src/simulator/settings.ts'
import { createState, recordCall } from '../../src/simulator/state.ts'
import { APP, type Harness, listen, startSimulator } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await startSimulator()
})
afterAll(() => h.close())

test('the default app has the form of a mini program’s id and secret', () => {
  expect(SIMULATOR_APP_ID).toMatch(/^wx[0-9a-f]{16}$/)
  expect(SIMULATOR_APP_SECRET).toMatch(/^[0-9a-f]{32}$/)
})

test('simulatorApp serves one simulator at / and at /simulator', async () => {
  const { code } = (await h.post('/simulator/login-codes', { openid: 'o1' })).body
  expect((await h.login(code)).body.openid).toBe('o1')
  const again = await h.get('/simulator/sns/jscode2session', {
    ...APP,
    js_code: code,
    grant_type: 'authorization_code',
  })
  expect(again).toMatchObject({ type: 'text/plain', body: { errcode: 40163 } })
})

test('without options the simulator knows its default app, the real time and two hours', async () => {
  const real = await listen(simulatorApp())
  try {
    const app = { appid: SIMULATOR_APP_ID, secret: SIMULATOR_APP_SECRET }
    const { access_token, expires_in } = (await real.stable(false, app)).body
    expect(expires_in).toBe(7200)
    const code = await real.phoneCode({ phone: '13800138000' })
    const { watermark } = (await real.phone(access_token, { code })).body.phone_info
    expect(watermark.appid).toBe(SIMULATOR_APP_ID)
    expect(Math.abs(watermark.timestamp - Date.now() / 1000)).toBeLessThan(60)
  } finally {
    await real.close()
  }
})

test('a simulator without apps is refused', () => {
  expect(() => createSimulator({ apps: {} })).toThrow('at least one app')
})

test('of the calls the last 10,000 are kept, all are counted', () => {
  const state = createState({
    apps: new Map([[APP.appid, newApp(APP.secret)]]),
    ...{ now: Date.now, random: Math.random, settings: SETTINGS, quotas: true, push: undefined },
    onCall: () => {},
  })
  const first = recordCall(state, 'token')
  for (let count = 1; count < 10_000; count += 1) recordCall(state, 'token')
  expect(state.calls[0]).toBe(first)
  recordCall(state, 'token')
  expect(state.calls).toHaveLength(10_000)
  expect(state.calls).not.toContain(first)
  expect(state.callCounts.token).toBe(10_001)
})
