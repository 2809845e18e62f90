import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Makes the run fail where a secret turned up in what the suite logged, answered or stored (see leaks.ts). */
export default class LeakReporter {
  #error

  constructor() {
    process.env.TEST_RECORDS = mkdtempSync(join(tmpdir(), 'postgraphile-wechat-records-'))
  }

  async onRunComplete() {
    const { findLeaks } = await import('./leaks.ts')
    const directory = process.env.TEST_RECORDS
    const logs = (process.env.TEST_POSTGRES_LOGS ?? '').split('\n').filter(Boolean)
    for (const [index, log] of logs.entries()) copyFileSync(log, join(directory, `postgres-${index}.txt`))
    const leaks = findLeaks(directory)
    if (leaks.length === 0) {
      rmSync(directory, { recursive: true, force: true })
      return
    }
    const shown = leaks
      .slice(0, 20)
      .map(({ file, what, line }) => `  ${file}: ${what} in ${line.slice(0, 300)}`)
    process.stderr.write(
      `${leaks.length} secrets leaked; the records are in ${directory}\n${shown.join('\n')}\n`,
    )
    this.#error = new Error(`${leaks.length} secrets leaked`)
  }

  getLastError() {
    return this.#error
  }
}
