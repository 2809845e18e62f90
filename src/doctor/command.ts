// Before: src/main.ts. After: src/doctor/doctor.ts.
import { Command } from 'commander'
import type { Env } from '../config.ts'
import { examine } from './doctor.ts'
import { jsonOf, textOf } from './print.ts'

/** `doctor`: looks whether everything is as the service needs it; the exit code says what came of it. */
export function doctorCommand(env: Env, run: (work: () => Promise<void>) => Promise<void>): Command {
  return new Command('doctor')
    .description(
      'looks at configuration, database, worker, clocks and WeChat, and says what is wrong and what to do (docs/doctor.md)',
    )
    .option('--json', 'one JSON document, for machines')
    .addHelpText(
      'after',
      `
With the environment of what it is to look at: that of serve, of worker, or none for the embedded database of npm start.
It changes nothing, and shows no secret. Exit code 0: nothing is wrong; 1: there is a fault; 78: the environment has one.`,
    )
    .action(({ json }: { json?: true }) =>
      run(async () => {
        const report = await examine(env)
        const { isTTY, columns } = process.stdout
        const text = json ? jsonOf(report) : textOf(report, { colour: isTTY && !env.NO_COLOR, columns })
        process.stdout.write(text)
        process.exitCode = report.exitCode
      }),
    )
}
