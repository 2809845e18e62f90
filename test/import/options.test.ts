import { ConfigError } from '../../src/config.ts'
import { parseOptions } from '../../src/import/options.ts'
import { APP, OTHER_APP } from './fixture.ts'

const PASSWORD = 'a-password-of-the-tests'
const OWNER = { DATABASE_OWNER_URL: 'postgres://owner@127.0.0.1/app' }

describe('options', () => {
  test('that are not given', () => {
    expect(parseOptions({ csv: 'users.csv', batch: '1000' }, OWNER)).toEqual({
      ownerUrl: OWNER.DATABASE_OWNER_URL,
      source: { csv: 'users.csv' },
      appid: undefined,
      batch: 1000,
      dryRun: false,
      skipConflicts: false,
      conflictsFile: undefined,
      bareNumbers: undefined,
      unconfirmedPhones: undefined,
    })
  })

  test('the app is that of the command line, or of the environment', () => {
    const env = { ...OWNER, WECHAT_APP_ID: APP }
    expect(parseOptions({ csv: 'x' }, env).appid).toBe(APP)
    expect(parseOptions({ csv: 'x', app: OTHER_APP }, env).appid).toBe(OTHER_APP)
    expect(parseOptions({ csv: 'x' }, { ...OWNER, WECHAT_APP_ID: ' ' }).appid).toBe(undefined)
  })

  test.each<[object, Record<string, string>, string[]]>([
    [{}, OWNER, ['--from <url> or --csv <file>: exactly one']],
    [{ from: 'postgres://x/y', csv: 'x' }, OWNER, ['exactly one']],
    [{ from: `mysql://user:${PASSWORD}@host/db` }, OWNER, ['--from is not a postgres:// URL']],
    [{ from: `postgres://user:${PASSWORD}@host:notaport/db` }, OWNER, ['--from is not a postgres:// URL']],
    [{ csv: './x.csv', conflicts: 'x.csv' }, OWNER, ['--conflicts is the file of --csv']],
    [{ csv: '' }, OWNER, ['--csv names no file']],
    ...['0', '-1', '1.5', 'x', '', '2001'].map((batch): [object, Record<string, string>, string[]] => [
      { csv: 'x', batch },
      OWNER,
      ['--batch is not a whole number from 1 to 2000'],
    ]),
    [{ csv: 'x', app: 'wx1' }, OWNER, ['--app is not an appid']],
    [{ csv: 'x' }, { ...OWNER, WECHAT_APP_ID: 'wx1' }, ['WECHAT_APP_ID is not an appid']],
    [{ csv: 'x' }, {}, ['DATABASE_OWNER_URL is not set']],
    [{ app: 'wx1', batch: '0' }, {}, ['exactly one', '--batch', '--app', 'DATABASE_OWNER_URL']],
  ])('%j under %j are refused, with all faults', (given, env, parts) => {
    const { faults } = caught(() => parseOptions(given, env))
    expect(faults).toEqual(parts.map(part => expect.stringContaining(part)))
    expect(faults.join()).not.toContain(PASSWORD)
  })

  function caught(work: () => unknown): ConfigError {
    try {
      work()
    } catch (error) {
      if (error instanceof ConfigError) return error
      throw error
    }
    throw new Error('nothing was wrong')
  }
})
