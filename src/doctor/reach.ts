// Before: src/doctor/context.ts. After: src/doctor/request.ts.
import { Trouble } from './finding.ts'
import { type Answer, get, type Stage, Unanswered } from './request.ts'

/** An answer of some kind from WeChat's host. */
export interface Reached extends Answer {
  isSimulator: boolean
}

/** Asks for `/`. Raises Trouble, which says how far it came. */
export async function reach(baseUrl: string): Promise<Reached> {
  const url = new URL(`${baseUrl}/`)
  const answer = await get(url).catch((error: unknown) => {
    throw error instanceof Unanswered ? troubleOf(url, error) : error
  })
  return {
    ...answer,
    isSimulator: answer.text.startsWith('{"name":"WeChat simulator of postgraphile-wechat"'),
  }
}

function troubleOf({ host, protocol }: URL, { stage, why }: Unanswered): Trouble {
  const words: Record<Stage, [text: string, help: string]> = {
    name: [
      `the name of ${host} cannot be resolved: ${why}`,
      'Look at the DNS of this machine or container, and compare WECHAT_API_URL.',
    ],
    connection: [
      `no connection to ${host}: ${why}`,
      'Let this machine out to it: firewall, security group, NAT. A proxy of the environment (HTTPS_PROXY) is not used.',
    ],
    TLS: [
      `no TLS with ${host}: ${why}`,
      'Something in between answers in its place, or its certificate is not trusted: NODE_EXTRA_CA_CERTS names one that is.',
    ],
    answer: [
      `${host} takes the connection, and no answer comes: ${why}`,
      protocol === 'https:'
        ? 'Try again; where it stays so, something in between holds answers up.'
        : 'Is WECHAT_API_URL right? WeChat itself speaks https.',
    ],
  }
  return new Trouble(...words[stage], `${host} is not reached`)
}
