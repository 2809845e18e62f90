// Before: src/doctor/command.ts. After: the checks, and src/doctor/print.ts.
import { type Env, EXIT_CONFIG } from '../config.ts'
import { isReadTimeout } from '../db/errors.ts'
import { version } from '../version.ts'
import { backgroundChecks } from './background.ts'
import { type Id, ids } from './catalogue.ts'
import { clockChecks } from './clocks.ts'
import { configurationChecks } from './configuration.ts'
import { type Context, openContext } from './context.ts'
import { databaseChecks } from './database.ts'
import { type Finding, fault, Skipped, Trouble, within } from './finding.ts'
import { keyChecks } from './keys.ts'
import { ownerLoginChecks } from './owner_login.ts'
import { publicUrlChecks } from './public_url.ts'
import { wordsOf } from './session.ts'
import { webLoginChecks } from './web_login.ts'
import { wechatChecks } from './wechat.ts'

/** Longer than any of them takes by its own limits: to connect, to ask, and to close. */
const CHECK_MS = 12_000

type Checks = Record<Id, () => Finding | Finding[] | Promise<Finding | Finding[]>>

export interface Report {
  version: string
  node: string
  mode: 'production' | 'development'
  exitCode: number
  findings: ({ check: Id } & Finding)[]
}

/** Makes all checks, at once, within some seconds, whatever hangs; nothing is changed by them. */
export async function examine(env: Env): Promise<Report> {
  const context = await openContext(env)
  const checks: Checks = {
    ...configurationChecks(context),
    ...keyChecks(context),
    ...publicUrlChecks(context),
    ...webLoginChecks(context),
    ...ownerLoginChecks(context),
    ...databaseChecks(context),
    ...backgroundChecks(context),
    ...clockChecks(context),
    ...wechatChecks(context),
  }
  const found = await Promise.all(
    ids.map(async check => (await run(checks[check])).map(finding => ({ check, ...finding }))),
  )
  context.close()
  const findings = found.flat()
  return {
    version,
    node: process.version,
    mode: context.config.production ? 'production' : 'development',
    exitCode: exitCodeOf(context, findings),
    findings,
  }
}

function exitCodeOf({ faults }: Context, findings: Finding[]): number {
  if (faults.length > 0) return EXIT_CONFIG
  return findings.some(({ verdict }) => verdict === 'fault') ? 1 : 0
}

async function run(check: Checks[Id]): Promise<Finding[]> {
  const late = () => new Error('Query read timeout')
  try {
    return [await within(CHECK_MS, (async () => check())(), late)].flat()
  } catch (error) {
    if (error instanceof Skipped) return [{ verdict: 'skipped', text: error.message }]
    if (error instanceof Trouble) return [error.finding]
    if (isReadTimeout(error))
      return [
        fault(
          'no answer in time',
          'Look at what the server does, and at the network between: others wait as well.',
        ),
      ]
    return [
      fault(
        `the check failed: ${wordsOf(error as Error)}`,
        'Look at the log of the server for the same moment.',
      ),
    ]
  }
}
