import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordOutput } from '../support/leaks.ts'

/** What a process says when it does its work. */
const READY = /"msg":"the service answers"|Worker connected and looking for jobs/

export interface KeptProcess {
  /** Where it answers, while it does; undefined for a worker. */
  url(): string | undefined
  isReady(): boolean
  /** The last that it said. */
  said(): string
  /** kill -9. It is started again. */
  kill(): void
  /** Ends it in order, for good; its exit code. */
  stop(): Promise<number | null>
}

export interface KeepOptions {
  /** What node runs. */
  args: string[]
  env: Record<string, string>
  /** It ended though nobody killed it. */
  onFault(what: string): void
}

/** Starts a command, and again whenever it has ended, as an init system would. */
export function keepRunning({ args, env, onFault }: KeepOptions): KeptProcess {
  let child: ChildProcess
  let url: string | undefined
  let isReady = false
  let wasKilled = false
  let isStopping = false
  let last: string[] = []

  async function liveOnce() {
    wasKilled = false
    child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH!, LOG_LEVEL: 'debug', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    recordOutput(child)
    last = []
    const hear = (line: string) => {
      last.push(line)
      if (last.length > 20) last.shift()
      if (READY.test(line)) {
        isReady = true
        url = /"url":"([^"]+)"/.exec(line)?.[1] ?? url
      }
    }
    for (const input of [child.stdout!, child.stderr!]) createInterface({ input }).on('line', hear)
    const [code, signal] = await once(child, 'close')
    // While it starts it may find no database, and ends: that is told to the init system, which tries again.
    if (isReady && !wasKilled && !isStopping) {
      onFault(`${args.at(-1)} ended by itself (${code ?? signal}):\n${last.join('\n')}`)
    }
    isReady = false
    url = undefined
    return code as number | null
  }

  const life = (async () => {
    for (;;) {
      const code = await liveOnce()
      if (isStopping) return code
      await sleep(100)
    }
  })()

  return {
    url: () => url,
    isReady: () => isReady,
    said: () => last.join('\n'),
    kill() {
      wasKilled = true
      isReady = false
      url = undefined
      child.kill('SIGKILL')
    },
    stop() {
      isStopping = true
      child.kill('SIGTERM')
      return life
    },
  }
}
