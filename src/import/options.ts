import { resolve } from 'node:path'
import { ConfigError, type Env, parseOwnerUrl } from '../config.ts'
import { Environment } from '../environment.ts'

/** What stands on the command line. */
export interface Given {
  from?: string
  csv?: string
  app?: string
  batch?: string
  dryRun?: boolean
  skipConflicts?: boolean
  conflicts?: string
  bareNumbers?: BareNumbers
  unconfirmedPhones?: UnconfirmedPhones
}

/** What a number without plus is that looks like a mobile one of the mainland: it may also be of North America. */
export type BareNumbers = 'china' | 'international'
/** What becomes of phones that the source never saw confirmed. */
export type UnconfirmedPhones = 'keep' | 'drop'

export interface ImportOptions {
  ownerUrl: string
  source: { from: string } | { csv: string }
  /** The app of identities whose source does not say theirs. */
  appid: string | undefined
  /** Users in one transaction. */
  batch: number
  dryRun: boolean
  skipConflicts: boolean
  /** Where conflicts are written, instead of being printed. */
  conflictsFile: string | undefined
  bareNumbers: BareNumbers | undefined
  unconfirmedPhones: UnconfirmedPhones | undefined
}

/**
 * Sign-ins of the same people wait for a batch, and each user of it takes two locks: PostgreSQL has room for some 6,400 by
 * default, and who uses them up fails everybody.
 */
const MAX_BATCH = 2_000

/** The command line and the environment together. Raises ConfigError with all faults, none of which quotes the URL. */
export function parseOptions(given: Given, env: Env): ImportOptions {
  const faults: string[] = []
  const { from, csv } = given
  if ((from === undefined) === (csv === undefined))
    faults.push('--from <url> or --csv <file>: exactly one of them says where the users come from')
  if (from !== undefined && !isPostgresUrl(from)) faults.push('--from is not a postgres:// URL')
  if (csv === '') faults.push('--csv names no file')
  if (csv !== undefined && given.conflicts !== undefined && resolve(csv) === resolve(given.conflicts))
    faults.push('--conflicts is the file of --csv, which it would overwrite')
  const batch = Number(given.batch ?? 1000)
  if (!(Number.isInteger(batch) && batch >= 1 && batch <= MAX_BATCH))
    faults.push(`--batch is not a whole number from 1 to ${MAX_BATCH}`)
  const { data: appid, error } = Environment.shape.WECHAT_APP_ID.safeParse(
    given.app ?? (env.WECHAT_APP_ID?.trim() || undefined),
  )
  if (error) faults.push(`${given.app === undefined ? 'WECHAT_APP_ID' : '--app'} ${error.issues[0]!.message}`)
  const ownerUrl = ownerUrlOf(env, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    ownerUrl,
    source: from === undefined ? { csv: csv! } : { from },
    appid,
    batch,
    dryRun: given.dryRun ?? false,
    skipConflicts: given.skipConflicts ?? false,
    conflictsFile: given.conflicts,
    bareNumbers: given.bareNumbers,
    unconfirmedPhones: given.unconfirmedPhones,
  }
}

const isPostgresUrl = (text: string) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)

function ownerUrlOf(env: Env, faults: string[]): string {
  try {
    return parseOwnerUrl(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
    return ''
  }
}
