import { readFileSync } from 'node:fs'
import type { Config } from '../config.ts'
import type { Context } from './context.ts'
import { type Finding, fault, ok, Skipped, warning } from './finding.ts'

// What the environment says beside what it must not say: src/config.ts refuses that, and it is told as it stands there.

export function configurationChecks(context: Context) {
  const { config, kind } = context
  const ofWeb = (check: () => Finding | Finding[]) => () => {
    if (kind === 'worker') throw new Skipped('this is the environment of a worker, or of an operator')
    return check()
  }
  return {
    environment: () => environment(context),
    node,
    mode: ofWeb(() => mode(config)),
    site_url: ofWeb(() => siteUrl(config)),
    proxies: ofWeb(() => proxies(config)),
    switches: () => switches(context),
    push: ofWeb(() => push(config)),
  }
}

function environment({ faults, kind }: Context): Finding | Finding[] {
  const whose = kind === 'web' ? 'the web service' : 'a worker, or an operator'
  if (faults.length === 0) return ok(`complete, for ${whose}`)
  return faults.map(text =>
    fault(
      text,
      kind === 'web'
        ? 'The service does not start until this is mended; the README has a table of all variables.'
        : 'Worker and migrate do not start until this is mended; the README has a table of all variables.',
    ),
  )
}

function node(): Finding {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string }
  }
  const [major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(engines.node)!.slice(1).map(Number)
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  const isNew = ownMajor > major || (ownMajor === major && ownMinor >= minor)
  return isNew
    ? ok(process.version)
    : fault(`${process.version} is too old`, `Install Node ${major}.${minor} or later.`)
}

function mode({ production, embedded, wechat }: Config): Finding {
  if (production) return ok('production')
  if (embedded) return ok('development, with the embedded database')
  const simulated =
    wechat.apiUrl === undefined ? ', and WeChat is simulated: anybody can sign in as anybody' : ''
  return warning(
    `development, on a database of your own${simulated}`,
    'Where real users come, set NODE_ENV=production.',
  )
}

function siteUrl({ siteUrl, production }: Config): Finding {
  if (!production) throw new Skipped('of interest in production only')
  if (siteUrl === undefined) throw new Skipped('SITE_URL is not set, or does not parse')
  const { protocol, hostname } = new URL(siteUrl)
  const help =
    'Set the public URL. It is the issuer of the tokens: changed later, access tokens that are out have to be refreshed.'
  if (protocol !== 'https:')
    return warning(`SITE_URL is not https, and mini programs call nothing else`, help)
  if (isLoopback(hostname)) return warning(`SITE_URL is ${hostname}, which is this machine only`, help)
  return ok(siteUrl)
}

const isLoopback = (host: string) => /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host)

function proxies({ production, host, trustedProxies, rateLimits }: Config): Finding {
  if (!production) throw new Skipped('of interest in production only')
  if (trustedProxies > 0) return ok(`${trustedProxies} trusted; the service must not be reachable past them`)
  if (!rateLimits) return ok('none trusted; there are no limits by client address either')
  const help = 'Set TRUSTED_PROXIES to the number of proxies in front of the service.'
  if (isLoopback(host))
    return warning(
      `TRUSTED_PROXIES is 0, and only a proxy on this machine reaches HOST ${host}: to the rate limits all clients are one`,
      help,
    )
  return warning(
    `TRUSTED_PROXIES is 0, and HOST ${host} lets others in: behind a proxy that ends TLS, all clients are one to the rate limits`,
    help,
  )
}

function switches({ config, kind }: Context): Finding | Finding[] {
  if (!config.production) throw new Skipped('of interest in production only')
  const { graphiql, rateLimits, webhookAllowPrivate, logLevel } = config
  const found = [
    kind === 'web' &&
      graphiql &&
      warning('GRAPHIQL is on', 'Everybody sees the schema: take GRAPHIQL=true away.'),
    kind === 'web' &&
      !rateLimits &&
      warning(
        'RATE_LIMITS is off',
        'Take RATE_LIMITS=off away, unless something in front limits sign-ins and codes.',
      ),
    webhookAllowPrivate &&
      warning(
        'WEBHOOK_ALLOW_PRIVATE is on: events are delivered into the private network, wherever a webhook points',
        'Take it away, unless all subscribers are your own.',
      ),
    logLevel === 'silent' &&
      warning('LOG_LEVEL is silent: nobody hears of failures', 'Set it to info, or to warn.'),
  ].filter(finding => finding !== false)
  return found.length > 0 ? found : ok('as production wants them')
}

function push({ push }: Config): Finding {
  if (!push)
    throw new Skipped(
      'WECHAT_PUSH_TOKEN is not set: WeChat does not tell here who takes back his phone (docs/push.md)',
    )
  if (push.token.length < 16 && !push.aesKey)
    return warning(
      'WECHAT_PUSH_TOKEN is short: who guesses it forges pushes',
      'Set one of 32 letters and digits, and the same on the page of WeChat (消息推送).',
    )
  return ok(
    push.aesKey ? 'token and AES key have their form' : 'the token has its form; pushes come unencrypted',
  )
}
