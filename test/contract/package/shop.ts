import { join } from 'node:path'
import { SIMULATOR_APP_ID } from '../../../src/simulator/index.ts'
import { decodeImage, isCodeOf } from '../../simulator/images.ts'
import { graphql, post, type SignedIn, send, signIn } from '../../support/client.ts'
import type { Node, TestSimulator } from '../../support/service.ts'
import { until } from '../../tasks/harness.ts'
import { environment, manifestOf, root, run, typeErrors } from './pack.ts'
import { launch, type Running } from './process.ts'
import { blocksOf } from './readme.ts'
import { example, makeBefore, readme, SHOP, type ShopSite } from './shop_site.ts'

const [, , toStart, toWork, tour] = blocksOf(readme, 'sh') as string[]
const SHARE = 'mutation ($id: UUID!) { shareOrder(input: { orderId: $id }) { code imgBase64 } }'

/** Tests of examples/postgraphile as its README has it: before and after the change, in a shell, and as customers. */
export function shop(from: () => { opening: Promise<ShopSite>; directory: string }): void {
  let site: ShopSite
  let server: Running
  let worker: Running
  let node: Node
  let simulator: TestSimulator
  let alice: SignedIn
  let orderId: string

  beforeAll(async () => {
    site = await from().opening
    simulator = { url: site.backing.found } as TestSimulator
  })
  afterAll(async () => {
    expect(await Promise.all([server?.end(), worker?.end()])).toEqual([0, 0])
  })

  test('it is a project of its own, with the versions that are tested here', () => {
    const { dependencies, devDependencies } = manifestOf(example)
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      const place = name === 'postgraphile-wechat' ? root : join(root, 'node_modules', name)
      expect([name, manifestOf(place).version]).toEqual([name, version])
    }
    expect(blocksOf(join(example, 'README.zh-CN.md'))).toEqual(blocksOf(readme))
  })

  test('what `start` brings for it has the playground, too', async () => {
    const { status, body } = await send(`${site.backing.found}/`)
    expect([status, body]).toEqual([200, expect.stringContaining('main.js')])
    expect((await send(`${site.backing.found}/playground/main.js`)).status).toBe(200)
  })

  test('before the change it knows nothing of the package', async () => {
    const cwd = join(from().directory, 'before')
    await makeBefore(cwd)
    const { DATABASE_OWNER_URL } = site.env as { DATABASE_OWNER_URL: string }
    await run(process.execPath, ['migrate.ts'], { cwd, env: environment({ DATABASE_OWNER_URL }) })
    const env = { DATABASE_URL: DATABASE_OWNER_URL, PORT: '0' }
    const before = await launch([process.execPath, 'server.ts'], SHOP, { cwd, env })
    try {
      const { body } = await graphql({ url: before.found } as Node, '{ allProducts { nodes { name } } }')
      expect(body).toEqual({
        data: { allProducts: { nodes: [{ name: 'Jasmine tea' }, { name: 'Oolong tea' }] } },
      })
    } finally {
      expect(await before.end()).toBe(0)
    }
  })

  test('its types fit those of the package, which fit each other', async () => {
    expect(await typeErrors(site.directory, ['-p', '.'])).toEqual([])
  })

  test('after the change it runs as its README says', async () => {
    const options = { cwd: site.directory, env: { PORT: '0' } }
    server = await launch(site.inShell(toStart!), SHOP, options)
    node = { url: server.found } as Node
    worker = await launch(site.inShell(toWork!), /The worker hears/, options)
    const [command, ...args] = site.inShell(tour!, node.url)
    const { stdout } = await run(command, args, { cwd: site.directory, env: environment() })
    const phone = '13800138000'
    expect(stdout).toContain(`"phone":"${phone}"`)
    expect(stdout).toContain('"productByProductId":{"name":"Jasmine tea"}')
    expect(stdout).toMatch(/\{"code":"[0-9a-f]{32}","img_base64":"[^"]{500,}"\}/)
  })

  test('everybody sees his own orders', async () => {
    alice = await signIn(node, simulator, 'o-alice')
    const bob = await signIn(node, simulator, 'o-bob')
    const orders = (user: SignedIn) =>
      graphql(node, '{ allOrders { nodes { rowId } } }', {}, user.accessToken)
    const [first, ...others] = (await orders(alice)).body.data.allOrders.nodes
    orderId = first.rowId
    expect(others).toEqual([])
    expect((await orders(bob)).body.data.allOrders.nodes).toEqual([])
    expect((await graphql(node, '{ allOrders { nodes { rowId } } }')).body.errors[0].extensions.code).toBe(
      'no_authorization',
    )
  })

  test('the worker gives a coupon for the phone, once, however often it is told', async () => {
    const coupons = async () => {
      const answer = await graphql(node, '{ allCoupons { nodes { cents } } }', {}, alice.accessToken)
      return answer.body.data.allCoupons.nodes
    }
    await until(async () => (await coupons()).length > 0)
    // As after a merge, so that it is the event alone by which the task knows that it has dealt with it.
    const other = await signIn(node, simulator, 'o-other')
    await site.owner.query('update public.coupons set user_id = $1', [other.userId])
    await site.owner.query(`
      insert into auth_private.deliveries (webhook_id, event_id, user_id)
      select w.id, e.id, e.user_id from auth_private.webhooks w, auth_private.events e
      where w.url is null and e.type = 'phone.bound'`)
    // The relay makes a job for what waits, with the next event.
    await signIn(node, simulator, 'o-alice')
    await until(async () => {
      const { rows } = await site.owner.query('select from auth_private.deliveries')
      return rows.length === 0
    })
    expect(await coupons()).toEqual([])
    const { rows } = await site.owner.query('select cents, user_id from public.coupons')
    expect(rows).toEqual([{ cents: 500, user_id: other.userId }])
  })

  test('its own operation answers by GraphQL and REST, to the owner of the order alone', async () => {
    const rest = (id: string, token?: string) =>
      post(`${node.url}/auth/v1/rpc/share_order`, { order_id: id }, token)
    const { body } = await graphql(node, SHARE, { id: orderId }, alice.accessToken)
    const { code, imgBase64 } = body.data.shareOrder
    const text = `wxacode://${SIMULATOR_APP_ID}/pages/order/order?scene=${code}&env_version=release`
    expect(isCodeOf(text, decodeImage(Buffer.from(imgBase64, 'base64')))).toBe(true)
    expect((await rest(orderId, alice.accessToken)).body).toEqual({ code, img_base64: imgBase64 })

    const bob = await signIn(node, simulator, 'o-bob')
    const refused = await rest(orderId, bob.accessToken)
    expect([refused.status, refused.body]).toMatchObject([404, { msg: 'You have no such order' }])
    const inGraphql = await graphql(node, SHARE, { id: orderId }, bob.accessToken)
    expect(inGraphql.body.errors[0]).toMatchObject({
      message: 'You have no such order',
      extensions: { code: 'validation_failed' },
    })
    expect((await rest(orderId)).body.error_code).toBe('no_authorization')
    expect((await rest('7', alice.accessToken)).body.msg).toBe('order_id is not a uuid')
    await post(`${node.url}/auth/v1/logout`, {}, alice.accessToken)
    expect((await rest(orderId, alice.accessToken)).body.error_code).toBe('session_not_found')
  })
}
