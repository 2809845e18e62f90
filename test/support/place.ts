import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freshEnv, launchIn, type Started, untilReady } from './start.ts'

/** A directory for an embedded database, what is started on it, and a shell beside it. */
export async function createPlace() {
  const dataDir = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-start-'))
  const children: Started['child'][] = []

  function launch(more?: Record<string, string>, args?: string[]): Started {
    const started = launchIn(dataDir, more, args)
    children.push(started.child)
    return started
  }

  return {
    dataDir,
    launch,
    async launchUntilReady(more?: Record<string, string>): Promise<Started & { url: string }> {
      const started = launch(more)
      return { ...started, url: await untilReady(started) }
    },
    /** What commands print, by bash in the repository, and the status of the last one. */
    inShell(commands: string) {
      const env = freshEnv({ DATA_DIR: dataDir })
      const { stdout, status } = spawnSync('bash', ['-c', commands], { encoding: 'utf8', env })
      return { output: stdout, status }
    },
    async close() {
      for (const child of children) if (child.exitCode === null) child.kill('SIGTERM')
      await Promise.all(children.map(ended))
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
export type Place = Awaited<ReturnType<typeof createPlace>>
