import { existsSync, readdirSync } from 'node:fs'

/** Versions that are supported besides the one that comes from npm. */
const OLDER = [15, 16, 17]

/** Where packages of several versions live beside one another. */
const PLACES = (major: number) => [
  `/usr/lib/postgresql/${major}/bin`,
  `/usr/pgsql-${major}/bin`,
  `/opt/homebrew/opt/postgresql@${major}/bin`,
]

/** The directory of the programs of an installed PostgreSQL of this major version. */
const installed = (major: number): string | undefined => PLACES(major).find(isBinDir)

const isBinDir = (directory: string) => existsSync(directory) && readdirSync(directory).some(isInitdb)
const isInitdb = (name: string) => /^initdb(\.exe)?$/.test(name)

/**
 * Which programs the suite runs on, undefined: those that came from npm. `TEST_POSTGRES` chooses one for the whole suite:
 * a major version, or a directory of programs. Without it there is an older server beside, if any is installed.
 */
export function wantedPrograms(wanted = process.env.TEST_POSTGRES): (string | undefined)[] {
  if (!wanted) {
    const older = OLDER.map(installed).find(directory => directory !== undefined)
    return older === undefined ? [undefined] : [undefined, older]
  }
  const directory = /^\d+$/.test(wanted) ? installed(Number(wanted)) : wanted
  if (directory === undefined || !isBinDir(directory)) {
    throw new Error(
      `TEST_POSTGRES=${wanted}: there is no such PostgreSQL. Give the directory of initdb, such as ${PLACES(15)[0]}`,
    )
  }
  return [directory]
}
