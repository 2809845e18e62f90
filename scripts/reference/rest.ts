import type { Route } from '../../src/rest/route.ts'
import { limitsText, splitErrors } from './graphql.ts'
import { type Told, told } from './rest_routes.ts'
import { code, table } from './text.ts'

/** As pages write it: `GET /user/identities/{identity_id}`. */
const nameOf = ({ method, path }: Pick<Route, 'method' | 'path'>) =>
  `${method.toUpperCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`

function requireAll(routes: Pick<Route, 'method' | 'path'>[]) {
  const served = routes.map(nameOf)
  const described = Object.values(told).flatMap(Object.keys)
  const wrong = [
    ...served.filter(name => !described.includes(name)).map(name => `${name} is not described`),
    ...described.filter(name => !served.includes(name)).map(name => `${name} is not served`),
  ]
  if (wrong.length > 0) throw new Error(`scripts/reference/rest_routes.ts: ${wrong.join(', ')}`)
}

const errorsOf = ({ rpc, errors = [] }: Told): string[] =>
  rpc ? splitErrors(rpc.description).errors : errors

/** What every one of these routes may answer, so that it need not be said of each. */
const commonErrors = (routes: Record<string, Told>) => {
  const [first, ...others] = Object.values(routes).map(errorsOf)
  return first!.filter(name => others.every(errors => errors.includes(name)))
}

const ownErrors = (told: Told, common: string[]) =>
  errorsOf(told)
    .filter(error => !common.includes(error))
    .map(code)
    .join(', ') || 'none'

/** Routes that do the same, by one path. */
function operationsOf(routes: Record<string, Told>) {
  const key = ([name, { rpc }]: [string, Told]) => (rpc ? `${rpc.name} ${name.split(' ')[1]}` : name)
  return Object.values(Object.groupBy(Object.entries(routes), key)).map(group => group!)
}

function section(group: [string, Told][], common: string[]): string {
  const [[name, told]] = group as [[string, Told]]
  const { rpc, does, limits, answers } = told
  const [methods, path] = [group.map(([name]) => name.split(' ')[0]!), name.split(' ')[1]!]
  const takes = group.map(([, { takes }], index) =>
    group.length > 1 ? `${code(methods[index]!)} ${takes}` : takes,
  )
  const graphql = rpc && ` In GraphQL: [${rpc.name}](graphql.md#${rpc.name.toLowerCase()}).`
  const counted = rpc?.name ?? limits
  return `### ${methods.join(', ')} ${path}

${rpc ? splitErrors(rpc.description).text : does}${graphql ?? ''}

- Takes: ${takes.join('; ')}
- Answers: ${answers}
- Errors: ${ownErrors(told, common)}
- Limits: ${counted === undefined ? 'none' : limitsText(counted)}`
}

const tableOf = (routes: Record<string, Told>) =>
  table(
    ['route', 'does', 'takes', 'answers', 'errors'],
    Object.entries(routes).map(([name, told]) => [
      code(name),
      told.does!,
      told.takes,
      told.answers,
      ownErrors(told, commonErrors(routes)),
    ]),
  )

/** docs/reference/rest.md; \`routes\` are those that are served. */
export function restPage(routes: Pick<Route, 'method' | 'path'>[]): string {
  requireAll(routes)
  return `# REST

Under \`/auth/v1\`: the wire of MemFire's mini-program SDK and of \`@supabase/auth-js\`, by which the same operations run as by
[GraphQL](graphql.md). Which method of which SDK calls what: [compatibility.md](../compatibility.md).

The caller is the bearer of \`Authorization: Bearer …\`, which goes before the header \`apikey\`: a user's access token, or an API key; without
a token it is \`anon\`. With several apps the header \`x-wechat-appid\` chooses one. Bodies are JSON, 100 kB at most. Where a token or a key
comes along that is not good, every route but the open ones answers \`bad_jwt\`; \`unexpected_failure\` may befall any. Errors are
\`{code, error_code, msg}\`: [errors.md](../errors.md).

A session is \`{access_token, token_type, expires_in, expires_at, refresh_token, user}\`. A user is GoTrue's: \`id\`, \`phone\` (as
\`PHONE_FORMAT\` says; \`""\`: none), \`phone_confirmed_at\`, \`wechat_id\`, \`wechat_unionid\`, \`app_metadata\`, \`user_metadata\`,
\`identities\`, times.

## Of users

Besides the errors below every one of these may answer ${commonErrors(told.signedIn).map(code).join(', ')}. Limits
hold where \`RATE_LIMITS\` is on, and are shared by all nodes.

${operationsOf(told.signedIn)
  .map(group => section(group, commonErrors(told.signedIn)))
  .join('\n\n')}

## Open to everybody

Any token will do, or none; there are no limits.

${tableOf(told.open)}

## Of administrators

With the service-role key; everybody else is answered \`not_admin\`, or \`no_authorization\` without a token. There are no limits.
Every one of these may answer ${commonErrors(told.admin).map(code).join(', ')} and \`database_unavailable\`, too. Members, searching, deleting, examples: [admin_rest.md](../admin_rest.md).

${tableOf(told.admin)}

## Other paths

| path | is |
|---|---|
| \`POST /auth/v1/rpc/{name}\` | operations of your own: [companion_rpc.md](../companion_rpc.md) |
| \`POST /graphql\` | [GraphQL](graphql.md) |
| \`GET /graphiql\` | the GraphQL IDE, where \`GRAPHIQL\` is on |
| \`GET /health/live\` | 200: the process answers |
| \`GET /health/ready\` | 200: the database answers with the schema of this version, and WeChat gives an access token; else 503 with what is wrong. With \`?ignore=wechat\` of the database alone |
| \`GET /metrics\` | [metrics.md](../metrics.md) |
| \`GET\` and \`POST /wechat/push\` | WeChat's message push, where \`WECHAT_PUSH_TOKEN\` is set: [push.md](../push.md) |
| \`GET /\` | in development, the playground: a phone in the browser |
| \`/simulator\` | in development, the simulator of WeChat: [simulator.md](../simulator.md) |
`
}
