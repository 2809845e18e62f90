import { Command, Option } from 'commander'
import type { Env } from '../config.ts'
import { runImport } from './import.ts'
import { type Given, parseOptions } from './options.ts'

/**
 * `import`: takes the users of another service into our tables. `run` is what runs a command and reports its failure; the
 * exit code is 1 where conflicts are left.
 */
export function importCommand(env: Env, run: (work: () => Promise<void>) => Promise<void>): Command {
  return new Command('import')
    .description('takes users and identities from MemFire, Supabase or a CSV file (needs DATABASE_OWNER_URL)')
    .option(
      '--from <url>',
      'the database of the other service, which is only read. PGPASSWORD, or ~/.pgpass, keeps its password out of the list of processes',
    )
    .option('--csv <file>', 'a file with a header line instead')
    .option(
      '--app <appid>',
      'the mini program of identities whose source does not say it (default: WECHAT_APP_ID)',
    )
    .option('--batch <n>', 'users in one transaction', '1000')
    .option('--dry-run', 'check everything, list every conflict, write nothing')
    .option('--skip-conflicts', 'import all others; without it nothing is written where there are conflicts')
    .option('--conflicts <file>', 'write the conflicts to a CSV file instead of printing them')
    .addOption(
      new Option(
        '--bare-numbers <kind>',
        'what a phone like 13800138000, without plus and country code, is: china (MemFire) makes it +86…, international (Supabase) +1…; not said, it is a conflict',
      ).choices(['china', 'international']),
    )
    .addOption(
      new Option(
        '--unconfirmed-phones <what>',
        'phones that the source never saw confirmed: keep them as if they were, or drop them and import the user without; not said, they are conflicts',
      ).choices(['keep', 'drop']),
    )
    .action((given: Given) =>
      run(async () => {
        const { conflicts } = await runImport(parseOptions(given, env), {
          print: line => void process.stdout.write(`${line}\n`),
          progress: line => void process.stderr.write(`${line}\n`),
        })
        if (conflicts > 0) process.exitCode = 1
      }),
    )
}
