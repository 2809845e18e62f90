/** A PostgreSQL that the suite runs on. */
export interface Server {
  /** `PostgreSQL 18`. */
  name: string
  /** Login that owns databases: CREATEROLE, no superuser. */
  ownerUrl: string
  /** Login of the web service: the role `authenticator`. */
  webUrl: string
}

const { TEST_SERVERS, TEST_OWNER_URL: ownerUrl, TEST_WEB_URL: webUrl } = process.env

/** The one that runs already, for whoever runs jest without the global set-up. */
const running: Server[] = ownerUrl && webUrl ? [{ name: 'PostgreSQL', ownerUrl, webUrl }] : []

/**
 * What jest's global set-up found or started: first the one that the suite runs on, then, where one is installed, an older
 * one for tests that are about SQL alone (`describe.each(servers)('on $name', …)`).
 */
export const servers: Server[] = TEST_SERVERS ? JSON.parse(TEST_SERVERS) : running
