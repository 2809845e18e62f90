import { adminEntries } from './admin.ts'
import { adminChangeEntries } from './admin_changes.ts'
import type { Entry } from './entry.ts'
import { bindPhoneEntries } from './memfire_bind_phone.ts'
import { memfireOwnEntries } from './memfire_own.ts'
import { partEntries } from './memfire_parts.ts'
import { wechatEntries } from './memfire_wechat.ts'
import { loadMemfire, type MemfireWorld, memfireWorld, type Version } from './memfire_world.ts'
import { commonNoneEntries } from './none_common.ts'
import type { ClientTests } from './run.ts'
import { sessionEntries } from './session.ts'
import { signOutEntries } from './sign_out.ts'
import { startEntries } from './start.ts'
import { publicMethods } from './surface.ts'
import { userEntries } from './user.ts'

export const memfireEntries = (version: Version): Entry<MemfireWorld>[] => [
  ...wechatEntries,
  ...bindPhoneEntries,
  ...sessionEntries(version),
  ...signOutEntries(version),
  ...userEntries(version),
  ...startEntries(version),
  ...memfireOwnEntries(version),
  ...adminEntries(version),
  ...adminChangeEntries(version),
  ...commonNoneEntries(version),
  ...partEntries(version),
]

const folders = { '2.2.0': 'supabase-wechat-stable-v2', '2.0.8': 'supabase-wechat-stable-v2-2.0.8' }

function surface(version: Version): string[] {
  const main = `${folders[version]}/dist/main`
  const client = loadMemfire(version).createClient('http://127.0.0.1', 'key', {
    auth: { autoRefreshToken: false },
  })
  const declarations = {
    SupabaseClient: `${main}/SupabaseClient.d.ts`,
    SupabaseAuthClient: `${main}/lib/SupabaseAuthClient.d.ts`,
    GoTrueClient: `${main}/gotrue-js/src/GoTrueClient.d.ts`,
    GoTrueAdminApi: `${main}/gotrue-js/src/GoTrueAdminApi.d.ts`,
  }
  return publicMethods(client, declarations, ['functions', 'storage', 'realtime'])
}

export const memfireTests = (version: Version): ClientTests<MemfireWorld> => ({
  entries: memfireEntries(version),
  surface: () => surface(version),
  begin: (site, entry) => memfireWorld(version, site, entry),
})
