import { actsOf } from './acts.ts'
import { testDevelop } from './develop.ts'
import { testFailures } from './failures.ts'
import { testFlow } from './flow.ts'
import type { By } from './phone.ts'
import { testSessions } from './sessions.ts'
import { testSheet } from './sheet.ts'
import { type Site, startSite } from './site.ts'
import { testWaits } from './waits.ts'

/** examples/miniprogram by one of its clients, against a real service: what the page shows, whatever happens. */
export function testMiniProgram(by: By): void {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.close())

  const acts = actsOf(by, () => site)
  testFlow(acts, by)
  describe('codes', () => testDevelop(acts))
  describe('sessions', () => testSessions(acts, by))
  describe('the phone sheet', () => testSheet(acts))
  describe('what passes', () => testWaits(acts, by))
  describe('what does not', () => testFailures(acts))
}
