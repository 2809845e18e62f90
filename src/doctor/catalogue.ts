/** What is asked together. */
export const groups = {
  configuration: 'Configuration',
  web: 'Login of the web service (DATABASE_URL)',
  owner: 'Login of the owner (DATABASE_OWNER_URL)',
  database: 'Database',
  background: 'Worker',
  clocks: 'Clocks',
  wechat: 'WeChat',
}
export type Group = keyof typeof groups

/** How far apart clocks may be, in seconds. */
export const CLOCK = { warning: 3, fault: 30 }
/** As in docs/alerts.yml, in seconds. */
export const LATE = { events: 60, deliveries: 300, jobs: 300 }
/** So long before its end a certificate should have been renewed. */
export const CERTIFICATE_DAYS = 10
/** Of PostgreSQL, major versions: the least, and the newest that was tried. */
export const VERSIONS = { least: 15, newest: 18 }

interface Definition {
  group: Group
  /** What is looked at. */
  looks: string
  fault?: string
  warning?: string
}

/** Every check, in the order in which it is told. docs/doctor.md is made of this. */
export const catalogue = {
  environment: {
    group: 'configuration',
    looks:
      'every variable, as `serve` reads it in the mode of `NODE_ENV`; as `worker` does, where there is a `DATABASE_OWNER_URL` and neither `DATABASE_URL`, `JWT_SECRET` nor `SITE_URL`',
    fault: 'a variable that is missing, ill-formed, or contradicts another; the exit code is 78',
  },
  node: { group: 'configuration', looks: 'the version of Node', fault: 'older than the package wants' },
  mode: {
    group: 'configuration',
    looks: '`NODE_ENV`',
    warning: 'not `production`, and the database is not the embedded one',
  },
  secrets: {
    group: 'configuration',
    looks:
      '`JWT_SECRET`, `DATA_KEY`, `SERVICE_ROLE_KEY` where it is no JWT, and the form of the AppSecrets; nothing of them is shown',
    fault: 'short, or obviously an example, in production',
    warning: 'the same elsewhere; an AppSecret that is not 32 hexadecimal digits, in production',
  },
  tokens: {
    group: 'configuration',
    looks:
      'which key signs user tokens, and how many more are verified; that keys are good is for `environment`',
  },
  api_keys: {
    group: 'configuration',
    looks: '`ANON_KEY` and `SERVICE_ROLE_KEY`, where they are set',
    fault: 'a JWT of the other role',
    warning: 'a JWT that `JWT_SECRET` has not signed',
  },
  site_url: {
    group: 'configuration',
    looks: '`SITE_URL`, in production',
    warning: 'not https, or a name of this machine',
  },
  public_url: {
    group: 'configuration',
    looks:
      'whether `SITE_URL` answers from here, as mini programs see it: its name, a connection, TLS, `/health/live`; in production',
    warning: `one of them fails, and which; or the certificate ends within ${CERTIFICATE_DAYS} days`,
  },
  proxies: {
    group: 'configuration',
    looks: '`TRUSTED_PROXIES` beside `HOST`, in production',
    warning: '0: behind a proxy all clients would be one',
  },
  switches: {
    group: 'configuration',
    looks: '`GRAPHIQL`, `RATE_LIMITS`, `WEBHOOK_ALLOW_PRIVATE` and `LOG_LEVEL`, in production',
    warning: 'one that is meant for development is on; the limits, or the log, are off',
  },
  push: {
    group: 'configuration',
    looks: '`WECHAT_PUSH_TOKEN` and `WECHAT_PUSH_AES_KEY`; skipped where they are not set',
    warning: 'a short token, with which pushes could be forged',
  },
  web_connection: {
    group: 'web',
    looks: 'whether PostgreSQL lets this login in, and how fast it answers',
    fault: 'it does not, or not in time',
    warning: 'a round trip takes more than 50 ms',
  },
  web_role: {
    group: 'web',
    looks: 'what the login may do',
    fault:
      'it is not authenticator, nor inherits from it; in production also: row-level security does not hold for it',
    warning: 'the latter, elsewhere',
  },
  web_pool: {
    group: 'web',
    looks: '`DATABASE_POOL_SIZE` beside what the server, the database and the login allow',
    fault: 'more than that',
    warning: 'more than is free at this moment',
  },
  web_pooler: {
    group: 'web',
    looks: 'whether a pooler such as PgBouncer is in between',
    warning: 'one is, and `DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE` is not 0 (docs/operations.md)',
  },
  owner_connection: {
    group: 'owner',
    looks: 'whether PostgreSQL lets this login in, and how fast it answers',
    fault: 'it does not, or not in time',
    warning: 'a round trip takes more than 50 ms',
  },
  owner_direct: {
    group: 'owner',
    looks: 'whether a pooler such as PgBouncer is in between',
    fault: 'one is: `migrate` and `worker` need sessions of their own',
  },
  owner_rights: {
    group: 'owner',
    looks: 'CREATEROLE, and whether the schema is its own',
    fault: 'one of them is not given',
  },
  roles: {
    group: 'owner',
    looks: "the service's roles, as `migrate` does",
    fault: 'one is missing, or may do more than it should; with the statement that mends it',
  },
  jobs_schema: {
    group: 'owner',
    looks: "graphile-worker's schema",
    fault: 'it is not there, or not the login’s',
  },
  version: {
    group: 'database',
    looks: 'the version of PostgreSQL',
    fault: `before ${VERSIONS.least}`,
    warning: `after ${VERSIONS.newest}, with which nothing was tried`,
  },
  encoding: { group: 'database', looks: 'the encoding of the database', fault: 'not UTF8' },
  writable: {
    group: 'database',
    looks: 'whether it can be written to',
    fault: 'it is a standby, or read-only',
  },
  schema: {
    group: 'database',
    looks: 'the version of the schema',
    fault: 'not there, older than this code, or of another service',
  },
  durability: {
    group: 'database',
    looks: '`fsync`, `full_page_writes`, `synchronous_commit`',
    warning: 'off: an answer would not mean that a bind is on the disk',
  },
  worker: {
    group: 'background',
    looks: 'workers that live at this moment, by the lock that each holds',
    warning: 'none',
  },
  events: {
    group: 'background',
    looks: 'events that have not become deliveries',
    warning: `one is older than ${LATE.events} s`,
  },
  deliveries: {
    group: 'background',
    looks: 'deliveries to webhooks',
    warning: `some were given up, or one has been due for ${LATE.deliveries} s`,
  },
  jobs: {
    group: 'background',
    looks: "graphile-worker's jobs, the application's too",
    warning: `some have failed for good, or one has been due for ${LATE.jobs} s; or they cannot be seen`,
  },
  database_clock: {
    group: 'clocks',
    looks: "this machine's clock beside PostgreSQL's",
    fault: `more than ${CLOCK.fault} s apart`,
    warning: `more than ${CLOCK.warning} s apart`,
  },
  wechat_clock: {
    group: 'clocks',
    looks: "this machine's clock beside the `Date` of WeChat's answer, which tells whole seconds",
    fault: `more than ${CLOCK.fault} s apart`,
    warning: `more than ${CLOCK.warning} s apart`,
  },
  reach: {
    group: 'wechat',
    looks: 'the host of `WECHAT_API_URL`: its name, a connection, TLS, an answer',
    fault: 'one of them fails, and which; or the simulator answers, in production',
  },
  access_token: {
    group: 'wechat',
    looks:
      'for each app, whether WeChat gives this machine an access token for its secret. The stable one is asked for without force: nothing changes by that. A legacy one is asked for only where the fleet has none',
    fault: 'WeChat refuses, with the errcode, its rid, and what to do; or it does not answer',
  },
  shared_token: {
    group: 'wechat',
    looks: 'for each app, the access token that the fleet shares',
    warning: 'it could not be fetched the last time',
  },
} as const satisfies Record<string, Definition>

export type Id = keyof typeof catalogue
export const ids = Object.keys(catalogue) as Id[]
export const definitionOf = (id: Id): Definition => catalogue[id]
/** As it is printed, below the name of its group. */
export const nameOf = (id: Id) => id.replace(/^(web|owner)_/, '').replaceAll('_', ' ')
