import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import pg from 'pg'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafast, lambda, SafeError } from 'postgraphile/grafast'
import type { ExecutionResult, GraphQLSchema } from 'postgraphile/grafast/graphql'
import { grafserv } from 'postgraphile/grafserv/express/v4'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { extendSchema } from 'postgraphile/utils'
import { authRouter, wechatPreset } from '../../src/index.ts'
import { freshPhone, graphql, phoneCode, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

// An existing PostGraphile application that adds the preset: with its own pool, tables, errors, and a second database.

let db: TestDatabase
let second: TestDatabase
let simulator: TestSimulator
let services: Node
let host: Node
let schema: GraphQLSchema
let resolvedPreset: GraphileConfig.ResolvedPreset
const pools: pg.Pool[] = []
const ends: (() => Promise<unknown>)[] = []

const pool = (url: string) => {
  const made = new pg.Pool({ connectionString: url, max: 1, query_timeout: 700 })
  made.on('error', () => {})
  pools.push(made)
  return made
}

const ShopPlugin = extendSchema({
  typeDefs: 'extend type Query { shop: String }',
  objects: {
    Query: {
      plans: {
        shop: () =>
          lambda(null, () => {
            throw new SafeError('The shop is closed', { code: 'SHOP_CLOSED' })
          }),
      },
    },
  },
})

beforeAll(async () => {
  db = await createDatabase()
  second = await createDatabase({ migrated: false })
  await db.owner.query(`
    create table public.users (id int primary key, name text);
    comment on table public.users is '@name app_users';
    grant select on public.users to authenticated;
    create table public.orders (id int primary key generated always as identity,
      user_id uuid not null default auth.uid() references auth.users (id));
    create index on public.orders (user_id);
    alter table public.orders enable row level security;
    grant select, insert on public.orders to authenticated;
    create policy orders_own on public.orders to authenticated using (user_id = (select auth.uid()));
    create function public.slow() returns int language plpgsql volatile as $$
      begin insert into public.orders default values; perform pg_sleep(1.5); return 1; end $$;
    grant execute on function public.slow() to authenticated;
  `)
  await second.owner.query(
    'create table public.things (id int primary key); grant select on public.things to public',
  )
  await second.owner.query('insert into public.things values (1)')
  simulator = await startSimulator()
  services = await startNode({ db, wechatUrl: simulator.url })

  const instance = postgraphile({
    extends: [PostGraphileAmberPreset, wechatPreset(services.services)],
    plugins: [ShopPlugin],
    grafserv: { websockets: true },
    pgServices: [
      makePgService({ pool: pool(db.webUrl), schemas: ['public'] }),
      makePgService({ name: 'second', pool: pool(second.ownerUrl), schemas: ['public'] }),
    ],
  })
  const app = express()
  app.use('/auth/v1', authRouter(services.services))
  const serv = instance.createServ(grafserv)
  const server = createServer(app)
  await serv.addTo(app, server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  host = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } as Node
  schema = await instance.getSchema()
  resolvedPreset = instance.getResolvedPreset()
  ends.push(
    () => new Promise(resolve => server.close(resolve)),
    () => Promise.resolve(instance.release()),
  )
})
afterAll(async () => {
  for (const end of ends) await end()
  await Promise.all(pools.map(made => made.end()))
  await services.close()
  await simulator.close()
  await second.drop()
  await db.drop()
})

test('has the operations, beside its own tables, and a table of users of its own', async () => {
  const user = await signIn(host, simulator)
  const phone = freshPhone()
  const { body } = await graphql(
    host,
    `mutation ($code: String!) { wechatBindPhone(input: { code: $code }) { user { id phone ordersByUserId { totalCount } } } }`,
    { code: await phoneCode(simulator, phone) },
    user.accessToken,
  )
  expect(body).toEqual({
    data: {
      wechatBindPhone: { user: { id: user.userId, phone: `+86${phone}`, ordersByUserId: { totalCount: 0 } } },
    },
  })
  const types = await graphql(
    host,
    '{ a: __type(name: "AppUser") { name } b: __type(name: "User") { name } }',
  )
  expect(types.body.data).toEqual({ a: { name: 'AppUser' }, b: { name: 'User' } })
})

test("shows the application's own errors as PostGraphile does", async () => {
  const { body } = await graphql(host, '{ shop }')
  expect(body.errors[0]).toMatchObject({ message: 'The shop is closed', extensions: { code: 'SHOP_CLOSED' } })
})

test('leaves a second database alone', async () => {
  const { body } = await graphql(host, '{ allSecondThings { nodes { rowId } } }')
  expect(body).toEqual({ data: { allSecondThings: { nodes: [{ rowId: 1 }] } } })
})

test('a statement that takes too long costs its connection: nobody lands in its transaction', async () => {
  const user = await signIn(host, simulator)
  const slow = await graphql(host, 'mutation { slow(input: {}) { result } }', {}, user.accessToken)
  expect(slow.body.errors[0].extensions.code).toBe('database_unavailable')
  // The pool has one connection: whoever comes next would get that one.
  const other = await signIn(host, simulator)
  const seen = await graphql(host, '{ allOrders { nodes { userId } } }', {}, other.accessToken)
  expect(seen.body).toEqual({ data: { allOrders: { nodes: [] } } })
  const anonymous = await graphql(host, '{ allOrders { nodes { userId } } }')
  expect(anonymous.body.errors[0].extensions.code).toBe('no_authorization')
  expect(await db.rows('select from public.orders')).toEqual([])
})

test.each([
  ['an anonymous request', {}],
  ['a token, good or bad', { authorization: 'Bearer not-a-token' }],
])('a WebSocket, whose tokens nobody looks at, is not served: %s', async (_what, payload) => {
  const calls = simulator.callCounts.jscode2session
  const socket = new WebSocket(`${host.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const answer = await new Promise<{ type: string; payload: unknown }>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init', payload }))
    socket.onerror = reject
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data))
      if (message.type !== 'connection_ack') return resolve(message)
      const query = 'mutation { wechatSignIn(input: {code: "a-code"}) { clientMutationId } }'
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
    }
  })
  socket.close()
  expect(JSON.stringify(answer)).toContain('no_authorization')
  expect(simulator.callCounts.jscode2session).toBe(calls)
})

test("a query of the application's own process is nobody's", async () => {
  const result = (await grafast({
    schema,
    source: '{ currentUser { id } }',
    resolvedPreset,
    requestContext: {},
  })) as ExecutionResult
  expect(result).toEqual({ data: { currentUser: null } })
})
