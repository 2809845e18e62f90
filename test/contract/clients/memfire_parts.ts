import type { Entry } from './entry.ts'
import type { MemfireWorld } from './memfire_world.ts'
import { NOT_HERE } from './none.ts'
import type { Any, Kind } from './world.ts'

// The parts of the SDK that are about other services of MemFire: each is called once, and gets a named 404.

const ROWS = "tables are in GraphQL, under the user's own rights"
const NO_FUNCTIONS = 'no functions are hosted here'
const NO_FILES = 'no files are kept here'
const NO_SOCKETS = 'no realtime channels'
const SOCKET = 'GET /realtime/v1/websocket?apikey=…&vsn=1.0.0'

/** The error is the body of the answer; 2.2.0 leaves it in the whole response. */
const refusedRows = async ({ kind }: MemfireWorld, query: PromiseLike<Record<'data' | 'error', Any>>) => {
  const { data, error } = await query
  expect(data).toBeNull()
  expect(kind === '2.2.0' ? error.data : error).toEqual({
    ...{ code: 404, error_code: 'validation_failed', msg: expect.any(String) },
  })
}

/** A channel that has tried to subscribe; it answers once it has failed. */
const failedChannel = async (world: MemfireWorld) => {
  const channel = world.client.channel('a-room')
  const status = await new Promise(resolve => channel.subscribe(resolve))
  expect(status).toBe('CHANNEL_ERROR')
  return channel
}

const none = (row: Pick<Entry<MemfireWorld>, 'method' | 'asks' | 'note' | 'probe'>): Entry<MemfireWorld> => ({
  ...row,
  outcome: 'by design not',
  ...(row.asks !== undefined && { error: NOT_HERE }),
})

export const partEntries = (kind: Kind): Entry<MemfireWorld>[] => [
  none({
    method: 'from',
    asks: 'GET /rest/v1/things?select=*',
    note: ROWS,
    probe: world => refusedRows(world, world.client.from('things').select()),
  }),
  none({
    method: 'rpc',
    asks: 'POST /rest/v1/rpc/a_function',
    note: ROWS,
    probe: world => refusedRows(world, world.client.rpc('a_function', { a: 1 })),
  }),
  none({
    method: 'functions',
    asks: 'POST /functions/v1/hello',
    note: NO_FUNCTIONS,
    async probe({ client, node }) {
      const { data, error } = await client.functions.invoke(`${node.url}/functions/v1/hello`)
      expect({ data, name: error.name }).toEqual({ data: null, name: 'FunctionsHttpError' })
    },
  }),
  none({
    method: 'storage',
    asks: 'GET /storage/v1/bucket',
    note: NO_FILES,
    async probe({ client }) {
      const { data, error } = await client.storage.listBuckets()
      expect({ data, name: error.name }).toEqual({ data: null, name: 'StorageUnknownError' })
    },
  }),
  none({ method: 'channel', asks: SOCKET, note: NO_SOCKETS, probe: failedChannel }),
  none({
    method: 'getChannels',
    note: NO_SOCKETS,
    async probe({ client }) {
      expect(client.getChannels()).toEqual([])
    },
  }),
  none({
    method: 'removeChannel',
    asks: SOCKET,
    note: NO_SOCKETS,
    async probe(world) {
      expect(await world.client.removeChannel(await failedChannel(world))).toBe('ok')
    },
  }),
  none({
    method: 'removeAllChannels',
    asks: SOCKET,
    note: NO_SOCKETS,
    async probe(world) {
      await failedChannel(world)
      expect(await world.client.removeAllChannels()).toEqual(['ok'])
    },
  }),
  ...(kind === '2.2.0' ? newParts : []),
]

const newParts: Entry<MemfireWorld>[] = [
  none({
    method: 'schema',
    asks: 'GET /rest/v1/things?select=*',
    note: ROWS,
    probe: world => refusedRows(world, world.client.schema('shop').from('things').select()),
  }),
  none({
    method: 'realtime',
    asks: SOCKET,
    note: NO_SOCKETS,
    async probe({ client }) {
      const closed = new Promise<void>(resolve => client.realtime.stateChangeCallbacks.close.push(resolve))
      client.realtime.connect()
      await closed
      expect(client.realtime.isConnected()).toBe(false)
    },
  }),
]
