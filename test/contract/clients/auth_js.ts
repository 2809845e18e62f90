import { GoTrueClient } from '@supabase/auth-js'
import { adminEntries } from './admin.ts'
import { adminChangeEntries } from './admin_changes.ts'
import { authJsAdminEntries } from './auth_js_admin.ts'
import { authJsNoneEntries } from './auth_js_none.ts'
import { authJsOwnEntries } from './auth_js_own.ts'
import { type AuthJsWorld, authJsWorld } from './auth_js_world.ts'
import type { Entry } from './entry.ts'
import { commonNoneEntries } from './none_common.ts'
import type { ClientTests } from './run.ts'
import { sessionEntries } from './session.ts'
import { signOutEntries } from './sign_out.ts'
import { startEntries } from './start.ts'
import { publicMethods } from './surface.ts'
import { userEntries } from './user.ts'

export const authJsEntries: Entry<AuthJsWorld>[] = [
  ...sessionEntries('auth-js'),
  ...signOutEntries('auth-js'),
  ...userEntries('auth-js'),
  ...startEntries('auth-js'),
  ...authJsOwnEntries,
  ...adminEntries('auth-js'),
  ...adminChangeEntries('auth-js'),
  ...commonNoneEntries('auth-js'),
  ...authJsNoneEntries,
  ...authJsAdminEntries,
]

const main = '@supabase/auth-js/dist/main'
const declarations = {
  GoTrueClient: `${main}/GoTrueClient.d.ts`,
  GoTrueAdminApi: `${main}/GoTrueAdminApi.d.ts`,
  WebAuthnApi: `${main}/lib/webauthn.d.ts`,
}

export const authJsTests: ClientTests<AuthJsWorld> = {
  entries: authJsEntries,
  surface: () => publicMethods(new GoTrueClient({ autoRefreshToken: false }), declarations),
  begin: (site, entry) => authJsWorld(site, entry),
}
