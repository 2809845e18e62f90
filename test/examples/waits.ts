import http from 'node:http'
import type { Acts } from './acts.ts'
import type { By } from './phone.ts'

/** What passes: nobody taps twice for it. */
export function testWaits({ site, open, newCode, bind, isBound, tryAgain, says }: Acts, by: By): void {
  test('WeChat is busy for a moment: the same code once more, by itself', async () => {
    const phone = await open()
    site().simulator.failNext('getuserphonenumber', { errcode: -1 })
    phone.sheet({ code: await newCode() })
    await phone.until(() => phone.shows('waiting') === site().texts.waiting.replace('{seconds}', '2'))
    await phone.settled()
    expect(isBound(phone)).toBe(true)
    expect(phone.has('waiting')).toBe(false)
  })

  test('WeChat is busy for longer: the user says when', async () => {
    const phone = await open()
    site().simulator.failNext('getuserphonenumber', { errcode: -1 }, { times: 3 })
    await bind(phone, await newCode())
    expect(phone.notice()).toEqual(says('wechat_unavailable', { again: true }))
    await tryAgain(phone)
  })

  test('the database is away', async () => {
    const phone = await open()
    site().database.cut()
    await bind(phone, await newCode()).finally(() => site().database.mend())
    expect(phone.notice()).toEqual(says('database_unavailable', { again: true }))
    await tryAgain(phone)
  })

  test('the answer does not come in time: the same code brings it', async () => {
    const phone = await open({ networkTimeout: 400 })
    const calls = site().simulator.callCounts.getuserphonenumber
    site().simulator.failNext('getuserphonenumber', { latency: 700 })
    await bind(phone, await newCode())
    expect(isBound(phone)).toBe(true)
    expect(phone.askedFor('wechatBindPhone').length).toBeGreaterThan(1)
    expect(site().simulator.callCounts.getuserphonenumber).toBe(calls + 1)
  })

  test('it never comes', async () => {
    const phone = await open({ networkTimeout: 200 })
    site().network.stall()
    await bind(phone, await newCode()).finally(() => site().network.mend())
    expect(phone.notice()).toEqual(says('timeout', { again: true }))
    await tryAgain(phone)
  })

  test('there is no network', async () => {
    const phone = await open()
    await site().network.shut()
    await bind(phone, await newCode()).finally(() => site().network.mend())
    expect(phone.notice()).toEqual(says('offline', { again: true }))
    expect(phone.askedFor('wechatBindPhone')).toHaveLength(1)
    await tryAgain(phone)
  })

  test('a gateway answers in place of the service', async () => {
    const phone = await open()
    await site().network.shut()
    const gateway = http.createServer((_req, res) =>
      res.writeHead(502, { connection: 'close' }).end('<html>Bad Gateway</html>'),
    )
    await new Promise<void>(resolve =>
      gateway.listen(Number(new URL(site().network.url).port), '127.0.0.1', resolve),
    )
    await bind(phone, await newCode())
    gateway.closeAllConnections()
    await new Promise(resolve => gateway.close(resolve))
    await site().network.mend()
    expect(phone.notice()).toEqual(says('unreachable', { again: true }))
    await tryAgain(phone)
  })

  describe('too often', () => {
    const overLimit = (seconds: number) =>
      site().db.owner.query(
        `update auth_private.rate_limits set points = 1000000, ends_at = now() + make_interval(secs => $1) where key like 'wechatBindPhone by user%'`,
        [seconds],
      )
    afterEach(() => site().db.owner.query('delete from auth_private.rate_limits'))

    test('for a moment: the same code once more, by itself', async () => {
      const phone = await open()
      await bind(phone, 'not-a-code-of-wechat')
      await overLimit(2)
      await bind(phone, await newCode())
      expect(isBound(phone)).toBe(true)
      expect(phone.askedFor('wechatBindPhone').length).toBeGreaterThan(2)
    })

    test('for longer: the user says when', async () => {
      const phone = await open()
      await bind(phone, 'not-a-code-of-wechat')
      await overLimit(3600)
      await bind(phone, await newCode())
      expect(phone.notice()).toEqual(says('over_request_rate_limit', { again: true }))
      expect(isBound(phone)).toBe(false)
      // MemFire's SDK tells nobody how long.
      expect(phone.askedFor('wechatBindPhone')).toHaveLength(by === 'memfire' ? 4 : 2)
    })
  })
}
