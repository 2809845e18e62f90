import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const example = join(root, 'examples/miniprogram')

/** What browsers and Node have, and WeChat has not. */
const HIDDEN = [
  ...['window', 'document', 'navigator', 'location', 'localStorage', 'self', 'global', 'process', 'Buffer'],
  ...['fetch', 'XMLHttpRequest', 'WebSocket', 'URL', 'URLSearchParams', 'Headers', 'Request', 'Response'],
  ...['Blob', 'FormData', 'AbortController', 'TextEncoder', 'TextDecoder', 'atob', 'btoa', 'crypto'],
]

/**
 * Makes of examples/miniprogram what WeChat's developer tools would: TypeScript becomes CommonJS, npm packages are copied beside it,
 * and no module sees a browser or Node. `config` takes the place of config.ts.
 */
export function buildMiniProgram(config?: object): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'postgraphile-wechat-miniprogram-'))
  cpSync(join(example, 'miniprogram'), directory, {
    recursive: true,
    filter: path => !/\.ts$|miniprogram_npm/.test(path),
  })
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', example]
  const options = ['--noCheck', '--noEmit', 'false', '--module', 'commonjs', '--outDir', directory]
  const rootDir = ['--rootDir', join(example, 'miniprogram')]
  execFileSync(process.execPath, [...tsc, ...options, ...rootDir], { stdio: 'pipe' })
  if (config) writeFileSync(join(directory, 'config.js'), `exports.config = ${JSON.stringify(config)}`)
  const { dependencies } = JSON.parse(readFileSync(join(example, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) packNpm(name, root, directory)
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (/\.c?js$/.test(path)) hideOthers(join(directory, path))
  }
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** "Build npm" of the developer tools: a package and what it needs, where the modules of the mini program find it. */
function packNpm(name: string, from: string, directory: string): void {
  const manifest = createRequire(join(from, 'x.js'))
    .resolve.paths(name)!
    .map(modules => join(modules, name, 'package.json'))
    .find(path => readable(path))!
  const home = dirname(manifest)
  const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8'))
  cpSync(home, join(directory, 'node_modules', name), {
    recursive: true,
    filter: path => !['.ts', '.map', '.mjs', '.md'].includes(extname(path)),
  })
  for (const needed of Object.keys(dependencies)) packNpm(needed, home, directory)
}

function readable(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}

/** As WeChat does it: parameters of these names, with nothing in them. A module may declare such a name itself. */
function hideOthers(path: string): void {
  const code = readFileSync(path, 'utf8')
  writeFileSync(path, `(function (${HIDDEN}) {(function () {${code}\n})()})()`)
}
