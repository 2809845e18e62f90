import type { Services } from './services.ts'

/** What somebody needs who has just typed `npm start`: what runs where, the keys, and three commands to try. */
export function banner(
  services: Services,
  ownUrl: string,
  options: { simulated: boolean; worker: boolean },
): string {
  const { config, apiKeys } = services
  const database = new URL(config.databaseUrl!)
  const rows: [string, string][] = [
    ['Playground', `${ownUrl}/   (a phone in your browser, and what it sets in motion)`],
    ['GraphQL', `${ownUrl}/graphql`],
    ...(config.graphiql ? [['GraphiQL', `${ownUrl}/graphiql`] as [string, string]] : []),
    ['REST', `${ownUrl}/auth/v1   (MemFire SDK, auth-js: supabase URL ${ownUrl})`],
    [
      'WeChat',
      options.simulated
        ? `${ownUrl}/simulator   (simulated, app ${config.wechat.defaultAppid}, secret ${config.wechat.apps[config.wechat.defaultAppid]})`
        : config.wechat.apiUrl!,
    ],
    [
      'PostgreSQL',
      `${database.host}${database.pathname}${config.embedded ? `   (embedded, in ${config.dataDir})` : ''}`,
    ],
    [
      'Worker',
      options.worker
        ? 'in this process'
        : 'not in this process: events wait for `postgraphile-wechat worker`',
    ],
    ['Health', `${ownUrl}/health/ready`],
    ['Anon key', apiKeys.anon],
    ['Service key', apiKeys.serviceRole],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const table = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
  const tour = options.simulated ? `\n\n${tourOf(ownUrl)}` : ''
  const env = config.embedded
    ? `\n\n  Everything generated is in ${config.dataDir}/env. Ctrl-C ends it all.`
    : ''
  return `\n  postgraphile-wechat is running\n\n${table}${tour}${env}\n`
}

/** Copy-paste lines: sign in (REST), bind a phone (GraphQL), look (SQL). They work as printed, in one shell, in order. */
const tourOf = (url: string) => `  Try it, in another terminal:

    field() { sed "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/"; }
    json='content-type: application/json'

  Sign in, as a user whom the simulator invents:

    CODE=$(curl -s ${url}/simulator/login-codes -H "$json" -d '{"openid":"o-alice"}' | field code)
    TOKEN=$(curl -s ${url}/auth/v1/wechat_mini/login -H "$json" -d '{"code":"'$CODE'"}' | field access_token)

  Tap the phone button, and bind the phone through GraphQL:

    CODE=$(curl -s ${url}/simulator/phone-codes -H "$json" -d '{"phone":"13800138000"}' | field code)
    curl -s ${url}/graphql -H "$json" -H "authorization: Bearer $TOKEN" \\
      -d '{"query":"mutation ($code: String!) { wechatBindPhone(input: {code: $code}) { user { id phone } } }",
           "variables":{"code":"'$CODE'"}}'; echo

  See it in SQL:

    npx postgraphile-wechat sql "select id, phone, phone_confirmed_at from auth.admin_find_user('+8613800138000')"`
