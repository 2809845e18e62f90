import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { migrate } from '../../src/db/migrate.ts'
import { createLog } from '../../src/log.ts'
import { SIMULATOR_APP_ID, SIMULATOR_APP_SECRET } from '../../src/simulator/index.ts'
import { JWT_SECRET } from '../support/service.ts'
import { type OwnCluster, startOwnCluster, withLogin } from './own_cluster.ts'

// Which logins `serve` accepts in production. Some of them only a superuser can make, hence a cluster of our own.

let cluster: OwnCluster

beforeAll(async () => {
  cluster = await startOwnCluster()
  await migrate({ ownerUrl: cluster.ownerUrl, log: createLog('silent') })
  await cluster.superuser.query(
    `create role powerful login password 'x' superuser;
     create role bypassing login password 'x' bypassrls in role authenticator;
     create role serving login password 'x' in role authenticator, service_role;
     create role owning login password 'x' in role authenticator, owner;
     create role stranger login password 'x';
     create role aloof login password 'x' noinherit in role authenticator;
     create role member login password 'x' in role authenticator`,
  )
}, 120_000)
afterAll(() => cluster.stop())

/** Ends as soon as it serves, or does not. */
async function serve(login: string) {
  const child = spawn(process.execPath, ['src/main.ts', 'serve'], {
    env: {
      PATH: process.env.PATH!,
      NODE_ENV: 'production',
      PORT: '0',
      DATABASE_URL: login === 'owner' ? cluster.ownerUrl : withLogin(cluster.webUrl, login, 'x'),
      JWT_SECRET,
      SITE_URL: 'https://auth.example.com',
      WECHAT_APP_ID: SIMULATOR_APP_ID,
      WECHAT_APP_SECRET: SIMULATOR_APP_SECRET,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      output += chunk
      if (output.includes('the service answers')) child.kill('SIGTERM')
    })
  const [status] = await once(child, 'exit')
  return { status: status as number, output }
}

test.each(['powerful', 'bypassing', 'serving', 'owning', 'owner'])('%s is refused', async login => {
  const { status, output } = await serve(login)
  expect(status).toBe(78)
  expect(output).toContain(
    '- DATABASE_URL logs in as a superuser, with BYPASSRLS, or as a role that inherits',
  )
})

test.each(['stranger', 'aloof'])('%s is told what it lacks', async login => {
  const { status, output } = await serve(login)
  expect(status).toBe(78)
  expect(output).toContain('grant authenticator to')
})

test('a member of authenticator is accepted', async () => {
  const { status, output } = await serve('member')
  expect(output).toContain('the service answers')
  expect(status).toBe(0)
})
