import './graphile_env.ts'
import { constants } from 'node:os'
import { Command, Option } from 'commander'
import {
  ConfigError,
  EXIT_CONFIG,
  parseConfig,
  parseLogLevel,
  parseOwnerUrl,
  parseWorkerConfig,
} from './config.ts'
import { EmbeddedError, readEnvFile } from './db/embedded.ts'
import { UnreachableError } from './db/errors.ts'
import { MigrationError, migrate } from './db/migrate.ts'
import { runSql, SqlError } from './db/sql.ts'
import { doctorCommand } from './doctor/command.ts'
import { importCommand } from './import/command.ts'
import { ImportError } from './import/import.ts'
import { newSecrets, newSigningKey, type SigningAlgorithm } from './keys.ts'
import { captureConsole, createLog, type Logger } from './log.ts'
import { ListenError } from './server.ts'
import { simulatorCommand } from './simulator/command.ts'
import { start } from './start.ts'
import { startWorker } from './tasks/worker.ts'
import { version } from './version.ts'

const program = new Command('postgraphile-wechat')
  .description('WeChat mini program sign-in and phone binding on your own PostgreSQL')
  .version(version)
const noMigrate = new Option('--no-migrate', 'do not migrate first, even where DATABASE_OWNER_URL is set')

program
  .command('start')
  .description(
    'everything in one process: web service, worker, and in development the embedded database and the simulator',
  )
  .addOption(noMigrate)
  .action((options: { migrate: boolean }) =>
    runUntilSignal((log, signal) => web(log, signal, { worker: true, ...options })),
  )
program
  .command('serve')
  .description('the web service')
  .addOption(noMigrate)
  .action((options: { migrate: boolean }) =>
    runUntilSignal((log, signal) => web(log, signal, { worker: false, ...options })),
  )
program
  .command('worker')
  .description(
    'the background of the service: relays events, runs jobs, keeps the access tokens of the apps it is told of (needs DATABASE_OWNER_URL)',
  )
  .action(() => runUntilSignal(async log => startWorker({ ...parseWorkerConfig(process.env), log })))
program
  .command('migrate')
  .description('brings the database to the schema of this version, and ends (needs DATABASE_OWNER_URL)')
  .action(() => runOnce(log => migrate({ ownerUrl: parseOwnerUrl(process.env), log })))
program.addCommand(doctorCommand(process.env, runOnce))
program.addCommand(simulatorCommand(process.env, runUntilSignal))
program
  .command('keys')
  .description(
    'makes new keys and prints them as NAME=value lines, for a .env file or a shell; writes nothing down',
  )
  .addOption(
    new Option('--algorithm <name>', 'of the signing key').choices(['ES256', 'RS256']).default('ES256'),
  )
  .addOption(
    new Option(
      '--secret',
      'JWT_SECRET with its API keys, and DATA_KEY, instead of a signing key: for a new installation',
    ).conflicts('algorithm'),
  )
  .addHelpText(
    'after',
    `
Without options: a JWT_SIGNING_KEY (ES256), and in a comment its public half for JWT_VERIFICATION_KEYS.
How to replace a key that is in use without logging anybody out: docs/keys.md.

  postgraphile-wechat keys >> .env
  set -a; source <(postgraphile-wechat keys); set +a`,
  )
  .action(({ algorithm, secret }: { algorithm: SigningAlgorithm; secret?: true }) =>
    runOnce(async () => void process.stdout.write(await (secret ? newSecrets() : newSigningKey(algorithm)))),
  )

program.addCommand(importCommand(process.env, runOnce))

program
  .command('sql')
  .description('runs a statement as the owner and prints its rows: for looking around where there is no psql')
  .argument('<statement>')
  .action((statement: string) =>
    runOnce(async () => {
      const ownerUrl = process.env.DATABASE_OWNER_URL ?? (await embeddedOwner())
      process.stdout.write(`${await runSql(ownerUrl, statement)}\n`)
    }),
  )

await program.parseAsync()

async function web(
  log: Logger,
  signal: AbortSignal,
  options: { worker: boolean; migrate: boolean },
): Promise<{ stop(): Promise<void> }> {
  return start({
    env: process.env,
    config: parseConfig(process.env),
    log,
    signal,
    ...options,
    onReady: text => void process.stdout.write(`${text}\n`),
    onFatal: error => {
      process.stderr.write(`${error.message}\n`)
      process.kill(process.pid, 'SIGTERM')
      process.exitCode = 1
    },
  })
}

/** The login that the embedded default has generated. */
async function embeddedOwner(): Promise<string> {
  const { dataDir } = parseConfig({ DATA_DIR: process.env.DATA_DIR })
  const url = (await readEnvFile(dataDir)).DATABASE_OWNER_URL
  if (!url)
    throw new ConfigError([
      `DATABASE_OWNER_URL is not set, and ${dataDir}/env does not say it: npm start writes it`,
    ])
  return url
}

/**
 * Runs what a command starts until SIGINT, SIGTERM, SIGHUP or the launcher's death ends it; asked twice, it ends at once.
 */
async function runUntilSignal(
  command: (log: Logger, signal: AbortSignal) => Promise<{ stop(): Promise<void> }>,
) {
  const aborter = new AbortController()
  const signalled = new Promise<void>(resolve => {
    const end = (code: number) => {
      if (aborter.signal.aborted) process.exit(code)
      aborter.abort()
      resolve()
    }
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(name, () => end(128 + constants.signals[name]))
    if (process.channel) process.once('disconnect', () => end(1))
  })
  await runOnce(async log => {
    const running = await command(log, aborter.signal).catch((error: unknown) => {
      if (error === aborter.signal.reason) return undefined
      throw error
    })
    process.channel?.unref()
    if (running) await signalled
    await running?.stop()
  })
}

/** Runs a command until it is done. Faults that the person at the terminal can mend are one message, not a stack trace. */
async function runOnce(command: (log: Logger) => Promise<void>) {
  try {
    const log = createLog(parseLogLevel(process.env))
    captureConsole(log)
    await command(log)
  } catch (error) {
    fail(error)
  }
  await Promise.all([process.stdout, process.stderr].map(written))
  process.exit()
}

/** Whoever reads a pipe may be slow; what he has not read by then would be lost with the process. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => {
    stream.on('error', () => resolve())
    stream.write('', () => resolve())
  })
}

function fail(error: unknown) {
  const known = [
    ConfigError,
    EmbeddedError,
    MigrationError,
    UnreachableError,
    ListenError,
    SqlError,
    ImportError,
  ].some(type => error instanceof type)
  const { message, stack } = error as Error
  process.stderr.write(`${known ? message : (stack ?? message)}\n`)
  process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1
}
