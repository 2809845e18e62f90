import { spawnSync } from 'node:child_process'

// What CI runs besides the tests: types, lint and format, generated files, container files. All run, then it fails.

const checks: Record<string, string[]> = {
  types: ['node_modules/typescript/bin/tsc', '-p', '.'],
  'types of the page': ['node_modules/typescript/bin/tsc', '-p', 'src/playground/page'],
  'types of the mini program': ['node_modules/typescript/bin/tsc', '-p', 'examples/miniprogram'],
  'lint and format': ['node_modules/@biomejs/biome/bin/biome', 'check', '.', '--error-on-warnings'],
  'generated files': ['scripts/generate.ts', '--check'],
  'docker-compose.yml': ['node_modules/.bin/dclint', 'docker-compose.yml'],
  Dockerfile: ['node_modules/.bin/dockerfilelint', 'Dockerfile'],
}

const failed = Object.entries(checks).flatMap(([name, args]) => {
  process.stdout.write(`— ${name}\n`)
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  return status === 0 ? [] : [name]
})
process.stdout.write(failed.length > 0 ? `\nFailed: ${failed.join(', ')}\n` : '\nAll checks passed\n')
process.exitCode = failed.length > 0 ? 1 : 0
