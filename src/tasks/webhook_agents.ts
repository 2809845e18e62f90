import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from 'request-filtering-agent'

/**
 * Public by its number, and yet a cloud's own: where Azure's machines ask for what they are. The others' metadata are on
 * link-local and unique local addresses.
 */
const METADATA = ['168.63.129.16']

export interface AgentOptions {
  allowPrivate: boolean
  /** Finds the addresses of a name, instead of the system. */
  lookup?: LookupFunction | undefined
}

/** By the protocol of a URL. Where private addresses are refused, it is by the address that is about to be connected to. */
export function createAgents({ allowPrivate, lookup }: AgentOptions): Record<string, http.Agent> {
  // An idle connection is dropped before the subscriber, or something on the way, forgets it.
  const options = { keepAlive: true, timeout: 4_000, ...(lookup && { lookup }) }
  if (allowPrivate) return { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }
  const filtered = { ...options, denyIPAddressList: METADATA }
  return {
    'http:': new RequestFilteringHttpAgent(filtered),
    'https:': new RequestFilteringHttpsAgent(filtered),
  }
}

/** The address that was refused, if that is what went wrong. The filter's errors have no code of their own. */
export const refusedAddress = ({ message }: Error): string | undefined =>
  /DNS lookup ([0-9a-f.:]+)\(family:.*is not allowed/.exec(message)?.[1]
