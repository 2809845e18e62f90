import { send } from '../../support/client.ts'
import { type Entry, nameOf, shortRequest } from './entry.ts'
import { type Site, startSite } from './site.ts'
import type { World } from './world.ts'

export interface ClientTests<W extends World> {
  entries: Entry<W>[]
  /** What the client has, found at run time. */
  surface(): string[]
  /** A signed-in user of his own for every probe. */
  begin(site: Site, entry: Entry<W>): Promise<W>
}

/** Runs a client's table: every row's probe, and that the table is about the client as it is. */
export function testClient<W extends World>({ entries, surface, begin }: ClientTests<W>): void {
  let site: Site
  beforeAll(async () => {
    site = await startSite()
    // What the clients tell the developer's console is not asked for.
    Object.assign(console, { error() {}, warn() {}, log() {} })
  })
  afterAll(() => site.close())

  test('every public method has one row, and cases beside it', () => {
    const rows = entries.filter(({ when }) => when === undefined).map(({ method }) => method)
    expect(rows.toSorted()).toEqual(surface().toSorted())
    expect(entries.filter(({ method }) => !rows.includes(method))).toEqual([])
    expect(new Set(entries.map(nameOf)).size).toBe(entries.length)
  })

  test.each(entries.map(entry => [nameOf(entry), entry] as const))('%s', async (_name, entry) => {
    const world = await begin(site, entry)
    try {
      await entry.probe(world)
      expectAsked(entry, world)
      if (entry.outcome === 'by design not') await expectKept(entry, world)
    } finally {
      await world.end()
    }
  })
}

/** The row's request, and its answer. */
function expectAsked<W extends World>({ asks, error }: Entry<W>, world: W): void {
  const sent = world.sent()
  expect(sent.filter(({ status }) => status === 500)).toEqual([])
  const requests = sent.map(shortRequest)
  if (asks === undefined) expect(requests).toEqual([])
  else expect(requests).toContain(asks)
  const failed = sent
    .filter(one => shortRequest(one) === asks && !(one.status !== undefined && one.status < 400))
    .map(({ status, code }) => ({ status, code }))
  if (error) expect(failed).toContainEqual(error)
  expect(failed.filter(one => one.status !== error?.status || one.code !== error?.code)).toEqual([])
}

/** What is not here costs nobody his session. */
async function expectKept<W extends World>({ forgets }: Entry<W>, world: W): Promise<void> {
  const { access_token: token } = world.session
  expect(world.stored()?.access_token).toBe(forgets ? undefined : token)
  const { status } = await send(`${world.node.url}/auth/v1/user`, { token })
  expect(status).toBe(200)
}
