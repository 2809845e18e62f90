import type { Environment } from '../../src/environment.ts'
import type { Text } from './text.ts'

// What each variable of src/environment.ts means. Names, defaults and lists of values are taken from there; a variable
// without an entry here does not compile.

/** What a value is, where it is not one of a list; `good` is taken, `bad` is refused (test/scripts/reference.test.ts). */
export const kinds = {
  text: { text: { en: 'text', zh: '文本' }, good: 'x', bad: undefined },
  port: { text: { en: 'port', zh: '端口' }, good: '8080', bad: '65536' },
  postgres: {
    text: { en: '`postgres://` URL', zh: '`postgres://` URL' },
    good: 'postgres://user@host/db',
    bad: 'http://host',
  },
  url: { text: { en: 'URL', zh: 'URL' }, good: 'https://auth.example.com', bad: 'auth.example.com' },
  milliseconds: { text: { en: 'milliseconds', zh: '毫秒' }, good: '4000', bad: '4s' },
  seconds: { text: { en: 'seconds, from 300', zh: '秒，至少 300' }, good: '300', bad: '299' },
  days: { text: { en: 'days, or `forever`', zh: '天数，或 `forever`' }, good: '90', bad: '0' },
  count: { text: { en: 'number', zh: '数量' }, good: '16', bad: 'x' },
  cny: { text: { en: 'CNY', zh: '人民币元' }, good: '49.50', bad: 'CNY 49' },
  appid: { text: { en: 'appid', zh: 'appid' }, good: 'wx0123456789abcdef', bad: 'wx1' },
  secret: { text: { en: '32 bytes or more', zh: '至少 32 字节' }, good: 'x'.repeat(32), bad: 'x'.repeat(31) },
  keys: { text: { en: 'one or several texts', zh: '一个或多个文本' }, good: 'new,old', bad: ',' },
  jwk: { text: { en: 'JSON: JWK', zh: 'JSON：JWK' }, good: undefined, bad: '{}' },
  jwks: { text: { en: 'JSON: list of JWKs', zh: 'JSON：JWK 数组' }, good: '[]', bad: '{}' },
  apps: {
    text: { en: 'JSON: appid → secret', zh: 'JSON：appid → secret' },
    good: '{"wx0123456789abcdef": "x"}',
    bad: '[]',
  },
  pushToken: {
    text: { en: '3 to 32 letters and digits', zh: '3 至 32 个字母和数字' },
    good: 'abc',
    bad: 'a-b',
  },
  pushKey: { text: { en: '43 letters and digits', zh: '43 个字母和数字' }, good: 'a'.repeat(43), bad: 'a' },
  origins: {
    text: { en: 'origins, comma-separated; or `*`', zh: '逗号分隔的来源（origin），或 `*`' },
    good: 'https://h5.example.com,http://localhost:8080',
    bad: 'https://h5.example.com/',
  },
} satisfies Record<string, { text: Text; good: string | undefined; bad: string | undefined }>

/** The chapters of the page, in their order. */
export const chapters = {
  service: { en: 'The service', zh: '服务' },
  database: { en: 'The database', zh: '数据库' },
  wechat: { en: 'WeChat', zh: '微信' },
  tokens: { en: 'Tokens and keys', zh: '令牌与密钥' },
  accounts: { en: 'Sessions, accounts and phones', zh: '会话、账号与手机号' },
  network: { en: 'Browsers, proxies and limits', zh: '浏览器、代理与限流' },
  retention: { en: 'What is kept how long', zh: '数据保留多久' },
} satisfies Record<string, Text>

export interface Variable {
  chapter: keyof typeof chapters
  /** Undefined: the values are listed by the schema. */
  kind?: keyof typeof kinds
  /** What holds where it is not set, unless the schema says it. */
  fallback?: Text
  meaning: Text
}

const none: Text = { en: 'none', zh: '无' }
const embeddedOnly: Text = {
  en: 'embedded: generated; else it must be set',
  zh: '内嵌模式：自动生成；否则必须设置',
}

export const variables: Record<keyof Environment, Variable> = {
  HOST: {
    chapter: 'service',
    kind: 'text',
    meaning: { en: 'the address on which the service listens', zh: '服务监听的地址' },
  },
  PORT: {
    chapter: 'service',
    kind: 'port',
    meaning: { en: 'its port; `0` picks a free one', zh: '服务监听的端口；`0` 表示自动选择空闲端口' },
  },
  SITE_URL: {
    chapter: 'service',
    kind: 'url',
    fallback: {
      en: "the service's own URL; in production it must be set",
      zh: '服务自身的 URL；生产环境必须设置',
    },
    meaning: {
      en: 'the public URL: the issuer of tokens is `{SITE_URL}/auth/v1`. Equal on all nodes',
      zh: '服务对外的 URL：令牌的签发者（issuer）是 `{SITE_URL}/auth/v1`。所有节点必须一致',
    },
  },
  NODE_ENV: {
    chapter: 'service',
    kind: 'text',
    fallback: none,
    meaning: {
      en: '`production`: nothing is generated, embedded or simulated, and no login may do more than it must',
      zh: '设为 `production` 时，不自动生成任何配置，不启动内嵌数据库，不模拟微信，也不接受权限过大的登录角色',
    },
  },
  GRAPHIQL: {
    chapter: 'service',
    fallback: { en: '`true`; in production `false`', zh: '`true`；生产环境为 `false`' },
    meaning: { en: 'whether `/graphiql` serves the GraphQL IDE', zh: '是否在 `/graphiql` 提供 GraphQL IDE' },
  },
  LOG_LEVEL: {
    chapter: 'service',
    meaning: {
      en: 'what is logged: one JSON object a line, readable on a terminal',
      zh: '日志级别：每行一个 JSON 对象，在终端里以易读格式输出',
    },
  },
  DATABASE_URL: {
    chapter: 'database',
    kind: 'postgres',
    fallback: {
      en: 'embedded PostgreSQL; in production it must be set',
      zh: '内嵌的 PostgreSQL；生产环境必须设置',
    },
    meaning: {
      en: 'login of the web service: `authenticator`, or a member of it. In production a superuser, BYPASSRLS or the owner of the tables is refused',
      zh: 'Web 服务的数据库连接串：登录角色为 `authenticator` 或其成员。生产环境拒绝超级用户、带 BYPASSRLS 的角色以及表的属主',
    },
  },
  DATABASE_OWNER_URL: {
    chapter: 'database',
    kind: 'postgres',
    fallback: { en: "embedded: its owner's", zh: '内嵌模式：内嵌数据库的属主' },
    meaning: {
      en: 'login of `migrate`, `worker` and `import`: owns the schema, needs CREATEROLE but not superuser; direct, never through a transaction pooler. Where it is set, `start` and `serve` migrate first unless told `--no-migrate`',
      zh: '`migrate`、`worker` 和 `import` 的数据库连接串：schema 的属主，需要 CREATEROLE，不需要超级用户；必须直连，不能经过事务模式的连接池。设置后，`start` 和 `serve` 会先执行迁移，除非加上 `--no-migrate`',
    },
  },
  DATABASE_POOL_SIZE: {
    chapter: 'database',
    kind: 'count',
    meaning: { en: 'connections of one node', zh: '单个节点的连接数' },
  },
  DATABASE_TIMEOUT_MS: {
    chapter: 'database',
    kind: 'milliseconds',
    meaning: {
      en: 'for getting a connection, and for one statement of the service',
      zh: '获取一个连接的超时，也是服务自身单条语句的超时',
    },
  },
  DATA_DIR: {
    chapter: 'database',
    kind: 'text',
    meaning: {
      en: 'directory of the embedded database and of `env`, the file with what was generated',
      zh: '存放内嵌数据库的目录；其中的 `env` 文件保存自动生成的配置',
    },
  },
  WECHAT_APP_ID: {
    chapter: 'wechat',
    kind: 'appid',
    fallback: { en: "the simulator's; in production it must be set", zh: '模拟器的小程序；生产环境必须设置' },
    meaning: {
      en: 'the mini program. A worker that has it replaces the access token ahead of its end',
      zh: '小程序的 AppID。worker 也设置后，会在微信 access_token 到期之前更换它',
    },
  },
  WECHAT_APP_SECRET: {
    chapter: 'wechat',
    kind: 'text',
    fallback: { en: "the simulator's", zh: '模拟器的小程序' },
    meaning: {
      en: 'its secret; always with `WECHAT_APP_ID`',
      zh: '小程序的 AppSecret；必须与 `WECHAT_APP_ID` 同时设置',
    },
  },
  WECHAT_APPS: {
    chapter: 'wechat',
    kind: 'apps',
    meaning: {
      en: 'further apps; the header `x-wechat-appid` chooses one',
      zh: '其他小程序；由请求头 `x-wechat-appid` 选择',
    },
  },
  WECHAT_API_URL: {
    chapter: 'wechat',
    kind: 'url',
    fallback: {
      en: '`https://api.weixin.qq.com`, or the simulator',
      zh: '`https://api.weixin.qq.com`，或模拟器',
    },
    meaning: { en: "base URL of WeChat's server API", zh: '微信服务端 API 的基础 URL' },
  },
  WECHAT_SEND_OPENID: {
    chapter: 'wechat',
    meaning: {
      en: "send the caller's openid with the phone code, so that WeChat checks that they belong together: [security.md](../security.md#what-this-does-not-protect-against)",
      zh: '换取手机号时，把调用者的 openid 与 code 一并发送，由微信校验二者是否匹配：[security.md](../security.md#what-this-does-not-protect-against)',
    },
  },
  WECHAT_PUSH_TOKEN: {
    chapter: 'wechat',
    kind: 'pushToken',
    fallback: { en: 'none: pushes are not received', zh: '无：不接收消息推送' },
    meaning: {
      en: "token of WeChat's message push, by which users take back what they gave: [push.md](../push.md)",
      zh: '微信消息推送的 Token：用户撤回授权时由此得知，见 [push.md](../push.md)',
    },
  },
  WECHAT_PUSH_AES_KEY: {
    chapter: 'wechat',
    kind: 'pushKey',
    fallback: { en: 'none: pushes come in plain text', zh: '无：推送为明文' },
    meaning: { en: 'its EncodingAESKey', zh: '消息推送的 EncodingAESKey' },
  },
  WECHAT_TOKEN_KIND: {
    chapter: 'wechat',
    meaning: {
      en: 'which access token of WeChat is used: `stable_token`, or that of `cgi-bin/token`: [wechat.md](../wechat.md)',
      zh: '使用哪一种微信 access_token：`stable_token`，还是 `cgi-bin/token` 的：[wechat.md](../wechat.md)',
    },
  },
  WECHAT_TIMEOUT_MS: {
    chapter: 'wechat',
    kind: 'milliseconds',
    meaning: { en: 'for one call of WeChat in all', zh: '单次调用微信的总超时' },
  },
  WECHAT_CONNECT_TIMEOUT_MS: {
    chapter: 'wechat',
    kind: 'milliseconds',
    meaning: { en: 'for connecting', zh: '建立连接的超时' },
  },
  WECHAT_MAX_CALLS: {
    chapter: 'wechat',
    kind: 'count',
    meaning: {
      en: "calls of each of WeChat's interfaces that a process makes at once for an app",
      zh: '单个进程为每个小程序、对微信的每个接口同时进行的调用数',
    },
  },
  WECHAT_MAX_QUEUE: {
    chapter: 'wechat',
    kind: 'count',
    meaning: {
      en: 'how many more may wait; further ones get `wechat_unavailable` at once',
      zh: '除此之外可以排队等待的数量；再多的立即得到 `wechat_unavailable`',
    },
  },
  WECHAT_MONTHLY_BUDGET: {
    chapter: 'wechat',
    kind: 'cny',
    fallback: { en: 'none: nobody is warned', zh: '无：不预警' },
    meaning: {
      en: "what an app's taps may cost in a calendar month of Beijing; at 80 % of it subscribers are told: [wechat_usage.md](../wechat_usage.md#budget)",
      zh: '每个小程序每个自然月（北京时间）手机号快速验证费用的预算；用到 80 % 时通知订阅者：[wechat_usage.md](../wechat_usage.md#budget)',
    },
  },
  JWT_SECRET: {
    chapter: 'tokens',
    kind: 'secret',
    fallback: embeddedOnly,
    meaning: {
      en: 'HS256 secret of the API keys and, without a signing key, of user tokens. Equal on all nodes',
      zh: 'HS256 密钥：用于签发 API key；没有配置签名私钥时，也用于签发用户的访问令牌。所有节点必须一致',
    },
  },
  JWT_SIGNING_KEY: {
    chapter: 'tokens',
    kind: 'jwk',
    fallback: none,
    meaning: {
      en: 'private key (ES256 or RS256, with a `kid`) that signs user tokens; its public half is at `/auth/v1/.well-known/jwks.json`',
      zh: '签发用户访问令牌的私钥（ES256 或 RS256，须有 `kid`）；公钥公布在 `/auth/v1/.well-known/jwks.json`',
    },
  },
  JWT_VERIFICATION_KEYS: {
    chapter: 'tokens',
    kind: 'jwks',
    meaning: {
      en: 'keys that verify user tokens besides: how a key is replaced without logging anybody out stands in [keys.md](../keys.md)',
      zh: '另外用于验证用户访问令牌的密钥；更换密钥而不让任何人掉线的做法见 [keys.md](../keys.md)',
    },
  },
  JWT_EXPIRY: {
    chapter: 'tokens',
    kind: 'seconds',
    meaning: { en: 'that an access token lives', zh: '访问令牌的有效期' },
  },
  ANON_KEY: {
    chapter: 'tokens',
    kind: 'text',
    fallback: { en: 'made from `JWT_SECRET`', zh: '由 `JWT_SECRET` 生成' },
    meaning: {
      en: 'the API key that the mini program carries: role `anon`',
      zh: '小程序里携带的 API key：角色为 `anon`',
    },
  },
  SERVICE_ROLE_KEY: {
    chapter: 'tokens',
    kind: 'text',
    fallback: { en: 'made from `JWT_SECRET`', zh: '由 `JWT_SECRET` 生成' },
    meaning: {
      en: 'the API key of your own backend, for administration: role `service_role`. Never in a client',
      zh: '你自己的后端用于管理的 API key：角色为 `service_role`。绝不能放进客户端',
    },
  },
  DATA_KEY: {
    chapter: 'tokens',
    kind: 'keys',
    fallback: { en: 'derived from `JWT_SECRET`', zh: '由 `JWT_SECRET` 派生' },
    meaning: {
      en: 'key of hashes and HMACs in the database; old ones may follow, comma-separated or as a JSON list. Equal on all nodes',
      zh: '数据库中哈希和 HMAC 所用的密钥；后面可以附上旧密钥，用逗号分隔，或写成 JSON 数组。所有节点必须一致',
    },
  },
  SESSION_TIMEBOX: {
    chapter: 'accounts',
    kind: 'seconds',
    fallback: { en: 'none: no limit', zh: '无：不限' },
    meaning: {
      en: 'after the sign-in, after which a session ends: [sessions.md](../sessions.md)',
      zh: '会话从登录算起的最长时间，超过即结束：[sessions.md](../sessions.md)',
    },
  },
  SESSION_INACTIVITY_TIMEOUT: {
    chapter: 'accounts',
    kind: 'seconds',
    fallback: { en: 'none: no limit', zh: '无：不限' },
    meaning: {
      en: 'without a refresh, after which a session ends; `JWT_EXPIRY` at least',
      zh: '会话多久没有刷新即结束；不小于 `JWT_EXPIRY`',
    },
  },
  SESSION_SINGLE_PER_USER: {
    chapter: 'accounts',
    meaning: { en: "a sign-in ends the user's other sessions", zh: '新的登录会结束该用户的其他会话' },
  },
  ACCOUNT_DELETION: {
    chapter: 'accounts',
    meaning: { en: 'users may delete their own accounts', zh: '用户可以注销自己的账号' },
  },
  PHONE_CONFLICT: {
    chapter: 'accounts',
    meaning: {
      en: 'what happens to a phone that another user has: `reject` answers `phone_exists`; `merge` makes the account part of the one that has the phone, where that can be: [binding.md](../binding.md#two-accounts-become-one)',
      zh: '手机号已属于其他用户时如何处理：`reject` 返回 `phone_exists`；`merge` 在条件允许时把当前账号并入持有该手机号的账号：[binding.md](../binding.md#two-accounts-become-one)',
    },
  },
  PHONE_FORMAT: {
    chapter: 'accounts',
    meaning: {
      en: 'phones in bodies of REST: `wechat` (mainland numbers national, others `+…`), `e164`, or `gotrue` (digits only)',
      zh: 'REST 响应体中手机号的格式：`wechat`（中国大陆号码不带国家码，其他号码为 `+…`）、`e164` 或 `gotrue`（纯数字，不带加号）',
    },
  },
  CORS_ORIGINS: {
    chapter: 'network',
    kind: 'origins',
    fallback: none,
    meaning: {
      en: 'pages that may call `/auth/v1` and `/graphql` from a browser (H5), such as `https://h5.example.com`; `*`: all',
      zh: '允许哪些网页（H5）在浏览器里调用 `/auth/v1` 和 `/graphql`，例如 `https://h5.example.com`；`*` 表示全部',
    },
  },
  RATE_LIMITS: {
    chapter: 'network',
    fallback: { en: '`on`; embedded: `off`', zh: '`on`；内嵌数据库时为 `off`' },
    meaning: {
      en: 'the limits, shared by all nodes, stand in [operations.md](../operations.md#rate-limits)',
      zh: '限流，所有节点共享；具体数值见 [operations.md](../operations.md#rate-limits)',
    },
  },
  TRUSTED_PROXIES: {
    chapter: 'network',
    kind: 'count',
    meaning: {
      en: "how many proxies' entries of `X-Forwarded-For` to believe, for the limits by client address",
      zh: '信任 `X-Forwarded-For` 中最后几层代理写入的条目，用于按客户端地址限流',
    },
  },
  WEBHOOK_ALLOW_PRIVATE: {
    chapter: 'network',
    fallback: { en: '`false`; embedded: `true`', zh: '`false`；内嵌数据库时为 `true`' },
    meaning: {
      en: "deliver events to private and loopback addresses too: [webhooks.md](../webhooks.md). The worker's",
      zh: '是否允许把事件投递到私有地址和本机回环地址：[webhooks.md](../webhooks.md)。由 worker 读取',
    },
  },
  RETENTION_LEDGER: {
    chapter: 'retention',
    kind: 'days',
    meaning: { en: 'codes that were redeemed, and their outcomes', zh: '已兑换的 code 及其结果' },
  },
  RETENTION_AUDIT: {
    chapter: 'retention',
    kind: 'days',
    meaning: { en: 'audit entries', zh: '审计记录' },
  },
  RETENTION_PHONE_HISTORY: {
    chapter: 'retention',
    kind: 'days',
    meaning: { en: 'former phones', zh: '用户以前的手机号' },
  },
  RETENTION_EVENTS: {
    chapter: 'retention',
    kind: 'days',
    meaning: { en: 'events that were passed on', zh: '已转交投递的事件' },
  },
  RETENTION_TOMBSTONES: {
    chapter: 'retention',
    kind: 'days',
    meaning: {
      en: 'rows of users who were deleted or merged',
      zh: '已注销或已合并的用户所留下的行',
    },
  },
}
