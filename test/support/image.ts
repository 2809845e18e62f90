import { execFile } from 'node:child_process'
import { chmod, copyFile, cp, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// What the Dockerfile makes, without an engine: its instructions one after the other, each stage in a directory of its own.
// `npm ci` takes what is installed here and removes what it would not have installed, instead of asking the registry.

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

/** Files of npm's own are written in place: those of a copy must not be ours. */
const NPM = `#!/bin/sh
if [ "$1" != ci ]; then exec "$REAL_NPM" "$@"; fi
shift
cp -al '${root}node_modules' node_modules 2> /dev/null || cp -a '${root}node_modules' .
rm -f node_modules/.installed node_modules/.package-lock.json
cp '${root}node_modules/.package-lock.json' node_modules/
exec "$REAL_NPM" prune --offline --no-audit --no-fund "$@"
`

interface Instruction {
  name: string
  rest: string
}

export interface Image {
  /** Where it lies; nobody may write there. */
  directory: string
  node: string
  env: Record<string, string>
  entrypoint: string[]
  healthcheck: string[]
  remove(): Promise<void>
}

export async function buildImage(): Promise<Image> {
  const base = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-image-'))
  await chmod(base, 0o755)
  const bin = join(base, 'bin')
  await mkdir(bin)
  const node = join(bin, 'node')
  await link(process.execPath, node).catch(() => copyFile(process.execPath, node))
  const { stdout } = await run('sh', ['-c', 'command -v npm'])
  await writeFile(join(bin, 'npm'), NPM, { mode: 0o755 })
  const shell = { PATH: [bin, process.env.PATH].join(delimiter), HOME: base, REAL_NPM: stdout.trim() }

  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const image = {
    directory: '',
    env: {} as Record<string, string>,
    entrypoint: [] as string[],
    healthcheck: [] as string[],
  }
  const stages: Record<string, string> = {}
  const steps: Record<string, (rest: string) => Promise<unknown> | unknown> = {
    async FROM(rest) {
      const name = / AS (\w+)$/.exec(rest)?.[1] ?? 'image'
      image.directory = stages[name] = join(base, name)
      await mkdir(image.directory)
    },
    RUN: rest => run('sh', ['-ec', rest], { cwd: image.directory, env: shell, maxBuffer: 1e8 }),
    async COPY(rest) {
      const [, stage, files] = /^(?:--from=(\w+) )?(.*)$/.exec(rest)!
      const words = files!.split(' ')
      const target = join(image.directory, words.pop()!)
      const from = stage ? stages[stage]! : root
      for (const word of words) {
        const source = join(from, word.replace(/^\/app\//, ''))
        const isInto = !word.endsWith('/')
        const place = isInto ? join(target, word.split('/').at(-1)!) : target
        await mkdir(dirname(place), { recursive: true })
        // As COPY does it: a directory's contents. Neither side of a link changes the other.
        await (stage
          ? run('cp', ['-a', source, place.replace(/\/$/, '')])
          : cp(source, place, { recursive: true }))
      }
    },
    ENV(rest) {
      for (const [, name, value] of rest.matchAll(/(\w+)=(\S+)/g)) image.env[name!] = value!
    },
    ENTRYPOINT(rest) {
      image.entrypoint = JSON.parse(rest)
    },
    HEALTHCHECK(rest) {
      image.healthcheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 4))
    },
    // Those that the tests see to.
    ...{ WORKDIR() {}, USER() {}, EXPOSE() {}, CMD() {} },
  }
  for (const { name, rest } of instructionsOf(dockerfile)) await steps[name]!(rest)
  await run('chmod', ['-R', 'a-w', image.directory])
  return {
    ...image,
    node,
    async remove() {
      await run('chmod', ['-R', 'u+w', base])
      await rm(base, { recursive: true, force: true })
    },
  }
}

const instructionsOf = (dockerfile: string): Instruction[] =>
  dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => {
      const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line)!
      return { name: name!, rest: rest! }
    })
