import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { blocksOf, documents, read, root } from '../support/markdown.ts'

// JavaScript and TypeScript of the pages: the compiler finds names, members and arguments that there are not.

const snippets = documents.flatMap(name =>
  blocksOf(read(name))
    .filter(({ language }) => ['js', 'ts'].includes(language))
    .map(({ language, text }, number) => ({
      file: `${name.replaceAll(/[/.]/g, '_')}_${number}.${language}`,
      text,
    })),
)

/** What the pages take as given: what stands a few lines above, or belongs to where the snippet runs. */
const GIVEN = `
import type { SupabaseClient } from 'supabase-wechat-stable-v2'
import { AuthClient as Client } from '@supabase/auth-js'
declare global {
  const createClient: typeof import('supabase-wechat-stable-v2').createClient
  const AuthClient: typeof Client
  const supabase: SupabaseClient
  const [ANON_KEY, SERVICE, token, url, query]: string[]
  const variables: object
  const wx: {
    login(): Promise<{ code: string }>
    request(options: {
      url: string
      method: 'POST'
      data: object
      header?: Record<string, string>
      success?(answer: { data: any }): void
      fail?(error: { errMsg: string }): void
    }): void
  }
}
`

const OPTIONS = {
  allowJs: true,
  checkJs: true,
  noEmit: true,
  strict: false,
  skipLibCheck: true,
  target: 'es2024',
  lib: ['es2024', 'dom'],
  module: 'nodenext',
  types: ['node', 'jest'],
  typeRoots: ['./node_modules/@types'],
  allowImportingTsExtensions: true,
  paths: {
    'postgraphile-wechat': [join(root, 'src/index.ts')],
    'postgraphile-wechat/simulator': [join(root, 'src/simulator/index.ts')],
  },
}

/**
 * Of the sources, which are checked elsewhere and more strictly; of what has no type in JavaScript, bodies and headers; or of a
 * file beside the snippet's.
 */
const isNoFault = (line: string) =>
  !/^\w+\.[jt]s\(/.test(line) || /IncomingHttpHeaders|on type '\{\}'|Cannot find module '\./.test(line)

async function faultsOf(files: { file: string; text: string }[]): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-snippets-'))
  const write = (file: string, text: string) => writeFile(join(directory, file), text)
  try {
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
    await write('package.json', '{"type": "module"}')
    await write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS, include: ['*'] }))
    await write('given.d.ts', GIVEN)
    // Each is a module of its own, so that all may call the same things the same.
    for (const { file, text } of files) await write(file, `export {}\n${text}`)
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const run = promisify(execFile)(process.execPath, [compiler, '-p', '.', '--pretty', 'false'], {
      cwd: directory,
    })
    return await run.then(
      () => [],
      ({ stdout }: { stdout: string }) => stdout.split('\n').filter(line => !isNoFault(line)),
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('what pages show in JavaScript and TypeScript compiles, and what does not is found', async () => {
  expect(snippets.length).toBeGreaterThan(10)
  const wrong = `import { createServicez } from 'postgraphile-wechat'\nawait supabase.auth.wechatBindFone({ code: '' })\n`
  const faults = await faultsOf([...snippets, { file: 'wrong.js', text: wrong }])
  expect(faults.filter(line => !line.startsWith('wrong.js'))).toEqual([])
  expect(faults.join('\n')).toMatch(/createServicez.*wechatBindFone/s)
})
