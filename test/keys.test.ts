import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { type Env, parseConfig } from '../src/config.ts'
import { newSecrets, newSigningKey } from '../src/keys.ts'
import { createTokens, makeApiKey } from '../src/tokens/jwt.ts'

// `postgraphile-wechat keys` as a process, and its lines as the programs that read such lines understand them.

const directory = mkdtempSync(join(tmpdir(), 'keys-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** Nothing of the environment is needed, and none of it may show. */
const env = { PATH: process.env.PATH! }

function keys(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/main.ts', 'keys', ...args], {
    encoding: 'utf8',
    env,
  })
  return { status, stdout, stderr }
}

function linesOf(...args: string[]): string {
  const { status, stdout, stderr } = keys(...args)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

/** What a shell command has in its environment after it. */
function shell(command: string, names: string[], input = ''): Env {
  const print = `${JSON.stringify(process.execPath)} -p 'JSON.stringify(process.env)'`
  const { stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '--noprofile', '-ec', command.replace('PRINT', print)],
    {
      encoding: 'utf8',
      env,
      input,
      cwd: directory,
    },
  )
  expect(stderr).toBe('')
  const all = JSON.parse(stdout) as Env
  return Object.fromEntries(names.map(name => [name, all[name]]))
}

const external: Env = {
  DATABASE_URL: 'postgres://authenticator@db.test/app',
  JWT_SECRET: 'a secret of the tests, 32 bytes or more',
}

const SIGNING_KEYS: [algorithm: string, args: string[]][] = [
  ['ES256', []],
  ['RS256', ['--algorithm', 'RS256']],
]

describe.each(SIGNING_KEYS)('a signing key, %s by %j', (algorithm, args) => {
  let text: string
  let variables: Env
  let comment: Env
  beforeAll(() => {
    text = linesOf(...args)
    variables = parseEnv(text)
    comment = parseEnv(text.replace('# JWT_VERIFICATION_KEYS', 'JWT_VERIFICATION_KEYS'))
  })

  test('is one line, and the public half a comment', () => {
    expect(Object.keys(variables)).toEqual(['JWT_SIGNING_KEY'])
    expect(Object.keys(comment).sort()).toEqual(['JWT_SIGNING_KEY', 'JWT_VERIFICATION_KEYS'])
    const [published] = JSON.parse(comment.JWT_VERIFICATION_KEYS!) as JWK[]
    const members = algorithm === 'ES256' ? ['crv', 'x', 'y'] : ['e', 'n']
    expect(Object.keys(published!).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...members].sort())
  })

  test('has its thumbprint for a name (RFC 7638)', async () => {
    const jwk = JSON.parse(variables.JWT_SIGNING_KEY!) as JWK
    expect(jwk.kid).toBe(await calculateJwkThumbprint(jwk))
    expect((JSON.parse(comment.JWT_VERIFICATION_KEYS!) as JWK[])[0]!.kid).toBe(jwk.kid)
  })

  test('signs, and the other half verifies on a node that does not sign with it', async () => {
    const tokensOf = ({ jwt }: ReturnType<typeof parseConfig>) =>
      createTokens({ ...jwt, issuer: 'http://site.test/auth/v1', anonKey: 'a', serviceRoleKey: 'b' })
    const signer = await tokensOf(parseConfig({ ...external, ...variables }))
    const { JWT_VERIFICATION_KEYS } = comment
    const other = await tokensOf(parseConfig({ ...external, JWT_VERIFICATION_KEYS }))
    const id = '01932c07-209f-7da4-8f5b-6c1d2e3f4a5b'
    const claims = { sub: id, session_id: id, role: 'authenticated' }
    const token = await signer.sign(claims, Math.floor(Date.now() / 1000))
    expect(await other.verify(token)).toMatchObject({ role: 'authenticated', sessionId: id })
    expect(other.jwks).toEqual(signer.jwks)
    expect(signer.algorithms).toEqual([algorithm])
  })

  test('is understood by a shell that sources it, and by Node', () => {
    writeFileSync(join(directory, 'env'), text)
    const names = ['JWT_SIGNING_KEY', 'JWT_VERIFICATION_KEYS']
    const expected = { ...variables, JWT_VERIFICATION_KEYS: undefined }
    expect(shell('set -a; source ./env; set +a; PRINT', names)).toEqual(expected)
    expect(shell('set -a; source <(cat); set +a; PRINT', names, text)).toEqual(expected)
    expect(shell('PRINT --env-file=env', names)).toEqual(expected)
    expect(shell('sed "s/^# JWT/JWT/" env > both; set -a; . ./both; set +a; PRINT', names)).toEqual(comment)
  })
})

describe('--secret', () => {
  const names = ['JWT_SECRET', 'ANON_KEY', 'SERVICE_ROLE_KEY', 'DATA_KEY']
  let text: string
  let variables: Env
  beforeAll(() => {
    text = linesOf('--secret')
    variables = parseEnv(text)
  })

  test('is the secrets of a new installation, which production takes', async () => {
    expect(Object.keys(variables).sort()).toEqual(names.toSorted())
    const { jwt, dataKeys } = parseConfig({
      ...variables,
      ...{ NODE_ENV: 'production', DATABASE_URL: external.DATABASE_URL, SITE_URL: 'https://site.test' },
      ...{ WECHAT_APP_ID: 'wx00000000000000aa', WECHAT_APP_SECRET: 'x' },
    })
    expect(Buffer.from(jwt.secret, 'base64url')).toHaveLength(32)
    expect(jwt.anonKey).toBe(await makeApiKey(jwt.secret, 'anon'))
    expect(jwt.serviceRoleKey).toBe(await makeApiKey(jwt.secret, 'service_role'))
    expect(dataKeys).toHaveLength(1)
    expect(variables.DATA_KEY).not.toBe(jwt.secret)
  })

  test('is understood by a shell that sources it, that puts it before a command, and by Node', () => {
    writeFileSync(join(directory, 'env'), text)
    expect(shell('set -a; source ./env; set +a; PRINT', names)).toEqual(variables)
    expect(shell('env $(cat) PRINT', names, text)).toEqual(variables)
    expect(shell('PRINT --env-file=env', names)).toEqual(variables)
  })
})

test('every call makes other keys', async () => {
  const texts = await Promise.all(
    [newSigningKey, newSigningKey, newSecrets, newSecrets].map(make => make('ES256')),
  )
  const all = texts.flatMap(text => Object.values(parseEnv(text)))
  expect(new Set(all).size).toBe(all.length)
})

test.each<[string[], string]>([
  [['--algorithm', 'HS256'], 'Allowed choices are ES256, RS256'],
  [['--secret', '--algorithm', 'RS256'], 'cannot be used with'],
  [['nonsense'], 'too many arguments'],
])('%j is refused', (args, words) => {
  const { status, stdout, stderr } = keys(...args)
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining(words),
  })
})

test('--help says what it prints and where to read on', () => {
  const help = linesOf('--help')
  for (const words of ['--algorithm', '--secret', 'JWT_SIGNING_KEY', 'JWT_VERIFICATION_KEYS', 'docs/keys.md'])
    expect(help).toContain(words)
  const all = spawnSync(process.execPath, ['src/main.ts', '--help'], { encoding: 'utf8', env }).stdout
  expect(all).toMatch(/^ {2}keys /m)
})

test('the page on keys encodes a former secret as the service decodes it', () => {
  const [, command] = /^(JWT_SECRET_AS_K=.*)$/m.exec(readFileSync('docs/keys.md', 'utf8'))!
  for (const secret of ['a secret of the tests, 32 bytes or more', `密>>>???~~~${'x'.repeat(80)}`]) {
    const script = `read -r JWT_SECRET; export ${command}; PRINT`
    const { JWT_SECRET_AS_K: k } = shell(script, ['JWT_SECRET_AS_K'], `${secret}\n`)
    const oct = JSON.stringify([{ kty: 'oct', kid: 'former', k }])
    const [key] = parseConfig({ ...external, JWT_VERIFICATION_KEYS: oct }).jwt.verificationKeys
    expect(Buffer.from(String(key!.k), 'base64url').toString()).toBe(secret)
  }
})
