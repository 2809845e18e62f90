// Before: src/doctor/doctor.ts. After: src/doctor/request.ts, and whatever stands in front of the service.
import { CERTIFICATE_DAYS } from './catalogue.ts'
import type { Context } from './context.ts'
import { type Finding, ok, Skipped, warning } from './finding.ts'
import { type Answer, get, type Stage, Unanswered } from './request.ts'

const DAY_MS = 86_400_000

export const publicUrlChecks = ({ config, kind }: Context) => ({
  public_url: async (): Promise<Finding> => {
    if (kind === 'worker' || !config.production)
      throw new Skipped('of interest for a web service in production only')
    if (config.siteUrl === undefined) throw new Skipped('SITE_URL is not set, or does not parse')
    const url = new URL(`${config.siteUrl}/health/live`)
    try {
      return judge(url, await get(url))
    } catch (error) {
      if (error instanceof Unanswered) return unanswered(url, error)
      throw error
    }
  },
})

function judge({ host }: URL, { status, text, validTo }: Answer): Finding {
  if (status !== 200 || text !== '{"status":"ok"}')
    return warning(
      `what answers at ${host} is not this service (status ${status} for /health/live)`,
      'Is the service running, and does the proxy pass all paths on to it?',
    )
  const days = Math.floor((validTo - Date.now()) / DAY_MS)
  if (days < CERTIFICATE_DAYS)
    return warning(
      `${host} answers, and its certificate ends in ${days} days`,
      'Renew it, or look why that did not happen by itself.',
    )
  return ok(`${host} answers, as mini programs see it`)
}

/** From here: elsewhere it may be otherwise. */
function unanswered({ host }: URL, { stage, why }: Unanswered): Finding {
  const words: Record<Stage, [text: string, help: string]> = {
    name: [`the name of ${host} cannot be resolved: ${why}`, 'Compare SITE_URL with the DNS of its domain.'],
    connection: [
      `no connection to ${host}: ${why}`,
      'Is the proxy running, and let in? Where machines of this network cannot reach their own public address, try from elsewhere.',
    ],
    TLS: [
      `no TLS with ${host}: ${why}`,
      'Mini programs want a certificate for this name, by a known authority, and with its whole chain: fullchain.pem, not cert.pem.',
    ],
    answer: [
      `${host} takes the connection, and no answer comes: ${why}`,
      'Does the proxy reach the service? Its log says more.',
    ],
  }
  return warning(...words[stage])
}
