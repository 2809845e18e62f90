import { randomUUID } from 'node:crypto'
import type { Entry } from './entry.ts'
import { NO_PROVIDERS, none, noneEntry } from './none.ts'

// What administrators can do at GoTrue and not here.

const id = randomUUID()
const CLIENTS = '/admin/oauth/clients'
const PROVIDERS = '/admin/custom-providers'
const PASSKEYS = '/admin/users/{id}/passkeys'
const NO_OAUTH = 'no OAuth server'
const NO_PASSKEYS = 'no passkeys'

const rows = [
  none('oauth.listClients', `GET ${CLIENTS}?page=&per_page=`, NO_OAUTH, admin => admin.oauth.listClients(), {
    clients: [],
  }),
  none('oauth.createClient', `POST ${CLIENTS}`, NO_OAUTH, admin => admin.oauth.createClient({})),
  none('oauth.getClient', `GET ${CLIENTS}/{id}`, NO_OAUTH, admin => admin.oauth.getClient(id)),
  none('oauth.updateClient', `PUT ${CLIENTS}/{id}`, NO_OAUTH, admin => admin.oauth.updateClient(id, {})),
  none('oauth.deleteClient', `DELETE ${CLIENTS}/{id}`, NO_OAUTH, admin => admin.oauth.deleteClient(id)),
  none('oauth.regenerateClientSecret', `POST ${CLIENTS}/{id}/regenerate_secret`, NO_OAUTH, admin =>
    admin.oauth.regenerateClientSecret(id),
  ),
  none(
    'customProviders.listProviders',
    `GET ${PROVIDERS}`,
    NO_PROVIDERS,
    admin => admin.customProviders.listProviders(),
    { providers: [] },
  ),
  none('customProviders.createProvider', `POST ${PROVIDERS}`, NO_PROVIDERS, admin =>
    admin.customProviders.createProvider({}),
  ),
  none('customProviders.getProvider', `GET ${PROVIDERS}/{id}`, NO_PROVIDERS, admin =>
    admin.customProviders.getProvider(id),
  ),
  none('customProviders.updateProvider', `PUT ${PROVIDERS}/{id}`, NO_PROVIDERS, admin =>
    admin.customProviders.updateProvider(id, {}),
  ),
  none('customProviders.deleteProvider', `DELETE ${PROVIDERS}/{id}`, NO_PROVIDERS, admin =>
    admin.customProviders.deleteProvider(id),
  ),
  none('passkey.listPasskeys', `GET ${PASSKEYS}`, NO_PASSKEYS, (admin, userId) =>
    admin.passkey.listPasskeys({ userId }),
  ),
  none('passkey.deletePasskey', `DELETE ${PASSKEYS}/{id}`, NO_PASSKEYS, (admin, userId) =>
    admin.passkey.deletePasskey({ userId, passkeyId: id }),
  ),
]

export const authJsAdminEntries: Entry[] = rows.map(row =>
  noneEntry('auth-js', { ...row, method: `admin.${row.method}` }, world => world.admin),
)
