import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Environment } from '../../src/environment.ts'

// The files for containers, as far as they can be judged without an engine.

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const packageJson = JSON.parse(read('package.json')) as {
  engines: { node: string }
  devDependencies: Record<string, string>
}
const dockerfile = read('Dockerfile')
const compose = read('docker-compose.yml')

/** Runs a linter of node_modules; raises with what it found. */
const lint = (script: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [`node_modules/${script}`, ...args], { cwd: fileURLToPath(root) })

/** Lines without comments. */
const lines = (text: string) => text.split('\n').filter(line => !/^\s*(#|$)/.test(line))
const unique = (names: (string | undefined)[]) => [...new Set(names)].sort()

/** The variables that the configuration knows. */
const known = Object.keys(Environment.shape)

/** The names under `environment`, by service. */
function environments(): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  let service = ''
  let isEnvironment = false
  for (const line of lines(compose)) {
    service = /^ {2}([a-z]+):$/.exec(line)?.[1] ?? service
    if (!line.startsWith('      ')) isEnvironment = line === '    environment:'
    const name = /^ {6}([A-Z][A-Z0-9_]*): /.exec(line)?.[1]
    if (isEnvironment && name) found[service] = [...(found[service] ?? []), name]
  }
  return found
}

test('dclint finds nothing in docker-compose.yml', async () => {
  await lint('dclint/bin/dclint.cjs', 'docker-compose.yml', '--max-warnings', '0')
})

test('dockerfilelint finds nothing in the Dockerfile', async () => {
  await lint('dockerfilelint/bin/dockerfilelint', 'Dockerfile')
})

test('the linters do find what is wrong', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'containers-'))
  try {
    const [dockerfile, compose] = [join(directory, 'Dockerfile'), join(directory, 'compose.yml')]
    await writeFile(dockerfile, 'FROM node:latest\n')
    await writeFile(compose, 'name: x\nservices:\n  b:\n    image: x:1\n  a:\n    image: x:1\n')
    await expect(lint('dockerfilelint/bin/dockerfilelint', dockerfile)).rejects.toMatchObject({ code: 1 })
    await expect(lint('dclint/bin/dclint.cjs', compose, '--max-warnings', '0')).rejects.toMatchObject({
      code: 1,
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

describe('docker-compose.yml', () => {
  const { postgres, ...services } = environments()

  test('sets variables that the configuration knows, and only those', () => {
    expect(known).toContain('DATABASE_URL')
    expect(Object.keys(services).sort()).toEqual(['migrate', 'web', 'worker'])
    for (const names of Object.values(services)) expect(known).toEqual(expect.arrayContaining(names))
  })

  test('gives each service the logins that it needs, and no more', () => {
    expect(services.migrate).toEqual(['DATABASE_OWNER_URL'])
    expect(services.worker).toEqual(['DATABASE_OWNER_URL', 'WECHAT_APP_ID', 'WECHAT_APP_SECRET'])
    expect(services.web).toContain('DATABASE_URL')
    expect(services.web).not.toContain('DATABASE_OWNER_URL')
  })

  test('gives PostgreSQL what its image and roles.sql read', () => {
    const wanted = [...read('docker/postgres/roles.sql').matchAll(/^\\getenv \w+ (\w+)$/gm)].map(
      ([, name]) => name,
    )
    expect(unique(postgres!)).toEqual(unique([...wanted, 'POSTGRES_DB', 'POSTGRES_PASSWORD']))
  })

  test('refuses to start where a variable is missing, and its header tells how to make each', () => {
    const used = [
      ...lines(compose)
        .join('\n')
        .matchAll(/\$\{([^}]*)\}/g),
    ].map(([, inside]) => inside!)
    for (const inside of used) expect(inside).toMatch(/^[A-Z_]+:\?./)
    const told = [...compose.matchAll(/^# +echo "([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(unique(told)).toEqual(unique(used.map(inside => inside.split(':')[0])))
  })

  test('publishes on loopback only', () => {
    expect(compose).toContain(`'127.0.0.1:5678:5678'`)
  })
})

describe('the Dockerfile', () => {
  const images = [...dockerfile.matchAll(/^FROM node:(\S+)-slim/gm)].map(([, version]) => version)

  test('uses one Node: that of the devDependency, which satisfies engines', () => {
    expect(dockerfile.match(/^FROM /gm)).toHaveLength(images.length)
    const [version, ...others] = unique(images)
    expect(others).toEqual([])
    expect(packageJson.devDependencies.node).toMatch(new RegExp(`^${version!.replace('.', '\\.')}\\.`))
    const [major, minor] = version!.split('.').map(Number)
    const [leastMajor, leastMinor] = /^>=(\d+)\.(\d+)$/.exec(packageJson.engines.node)!.slice(1).map(Number)
    expect(major! * 1000 + minor!).toBeGreaterThanOrEqual(leastMajor! * 1000 + leastMinor!)
  })

  test('sets variables that the configuration knows', () => {
    const set = [...dockerfile.matchAll(/^(?:ENV| {3}) ([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(set).toEqual(['NODE_ENV', 'HOST'])
    expect(known).toEqual(expect.arrayContaining(set))
  })

  test('ends as an ordinary user, who starts the bin', () => {
    const final = dockerfile.slice(dockerfile.lastIndexOf('FROM '))
    expect(final).toMatch(/^USER 1000$/m)
    expect(final).toMatch(/^ENTRYPOINT \["node", .*"bin\/postgraphile-wechat\.js"\]$/m)
    expect(final).not.toMatch(/^COPY .*src/m)
  })

  test('copies only what .dockerignore lets through', () => {
    const allowed = lines(read('.dockerignore')).flatMap(line => /^!(.+)$/.exec(line)?.[1] ?? [])
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
      .flatMap(([, sources]) => sources!.split(' '))
      .map(source => source.replace(/\/$/, ''))
    expect(unique(allowed)).toEqual(unique(copied))
  })
})
