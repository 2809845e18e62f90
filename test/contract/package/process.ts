import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordOutput } from '../../support/leaks.ts'
import { end } from '../../support/serve.ts'
import { environment } from './pack.ts'

/** What `serve` and `start` log, with their URL. */
export const ANSWERS = /"url":"([^"]+)"/

export interface Running {
  child: ChildProcess
  /** What the pattern has found in its output. */
  found: string
  /** Asks it to end; its exit code. */
  end(): Promise<number | null>
}

/** Starts a process and waits until it has said what `pattern` looks for. */
export async function launch(
  [command, ...args]: [string, ...string[]],
  pattern: RegExp,
  options: { cwd: string; env: Record<string, string> },
): Promise<Running> {
  const child = spawn(command, args, { cwd: options.cwd, env: environment(options.env) })
  recordOutput(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  for (;;) {
    const found = pattern.exec(output)
    if (found) return { child, found: found[1] ?? found[0], end: () => end(child) }
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(output)
    await sleep(20)
  }
}
