import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Server {
  url: string
  pid: number
  end(): Promise<void>
}

const URL_IS_SAID = /(?:"url":"|answers at )(http:\/\/[^"\s]+)/

/** Starts a process, and waits until it has said that it is `ready`; what is in brackets there is its URL. */
export async function startProcess(
  args: string[],
  env: Record<string, string>,
  ready = URL_IS_SAID,
): Promise<Server> {
  const child = spawn(process.execPath, ['--no-warnings', ...args], {
    cwd: new URL('..', import.meta.url),
    env: { PATH: process.env.PATH!, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`${args.join(' ')} ended with ${code}: ${output}`)))
    // Read on to the end: a request log that nobody reads would stop the server.
    child.stdout.on('data', chunk => {
      if (output.length < 100_000) output += chunk
      const found = ready.exec(output)
      if (found) resolve(found[1] ?? '')
    })
  })
  return { url, pid: child.pid!, end: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
