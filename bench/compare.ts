import { type Floor, findFloor } from './floor.ts'
import { type Measured, measure } from './load.ts'
import { median, medianOf } from './medians.ts'
import {
  byHand,
  graphql,
  type Operation,
  operations,
  type Protocol,
  plainGraphql,
  rest,
} from './operations.ts'
import { makePeople, signInAll } from './people.ts'
import { rivalEnv, type Server, type Site, startSite } from './site.ts'

export interface Plan {
  rounds: number
  seconds: number
  connections: number[]
  operations: readonly Operation[]
  /** Names of systems; all where it is empty. */
  systems: string[]
}

/** Every operation at every number of connections, the systems in turns. */
export const full: Plan = { rounds: 3, seconds: 3, connections: [1, 8, 32, 128], operations, systems: [] }
export const quick: Plan = { rounds: 3, seconds: 1, connections: [32], operations, systems: [] }

export interface Row {
  operation: Operation
  connections: number
  /** By the system's name; medians of the rounds, each figure for itself. */
  systems: Record<string, Measured>
  /** Transactions a second. */
  floor: number
}

export interface Comparison {
  floor: string
  rounds: number
  /** Of each measurement. */
  seconds: number
  rows: Row[]
}

interface System {
  server: Server
  protocol: Protocol
}

const USERS = 1_000

export async function compare(plan: Plan): Promise<Comparison> {
  const site = await startSite()
  try {
    await makePeople(site, 2 * USERS)
    const floor = await findFloor(site, { first: USERS + 1, last: 2 * USERS })
    const systems = Object.entries(await startSystems(site)).filter(
      ([name]) => plan.systems.length === 0 || plan.systems.includes(name),
    )
    const people = await signInAll(USERS, 1)
    const ask = (
      [, { server, protocol }]: [string, System],
      operation: Operation,
      connections: number,
      seconds: number,
    ) =>
      measure({
        url: server.url,
        protocol,
        operation,
        people,
        connections,
        seconds,
        pids: { server: server.pid, postgres: site.postgres },
      })

    for (const operation of plan.operations)
      for (const system of systems) await ask(system, operation, 32, plan.seconds)
    const rows: Row[] = []
    for (const connections of plan.connections)
      for (const operation of plan.operations) {
        const rounds: Record<string, Measured[]> = Object.fromEntries(systems.map(([name]) => [name, []]))
        const floors: number[] = []
        for (let round = 0; round < plan.rounds; round++) {
          // Each round begins with another one, so that none is always the one after the slowest.
          for (let i = 0; i < systems.length; i++) {
            const system = systems[(i + round) % systems.length]!
            rounds[system[0]]!.push(await ask(system, operation, connections, plan.seconds))
          }
          floors.push(await floorOf(floor, operation, connections, plan.seconds))
        }
        const medians = Object.entries(rounds).map(([name, all]) => [name, medianOf(all)] as const)
        rows.push({ operation, connections, systems: Object.fromEntries(medians), floor: median(floors) })
        print(rows.at(-1)!)
      }
    return { floor: floor.name, rounds: plan.rounds, seconds: plan.seconds, rows }
  } finally {
    await site.close()
  }
}

/** The embedded PostgreSQL has 100 connections, and the servers hold some of them. */
const floorOf = (floor: Floor, operation: Operation, connections: number, seconds: number) =>
  floor.measure(operation, Math.min(connections, 32), seconds)

async function startSystems(site: Site): Promise<Record<string, System>> {
  const wechat = (await site.launch(['bench/rivals/wechat.ts'], {})).url
  const rival = (file: string, url: string, env = {}) =>
    site.launch([`bench/rivals/${file}.ts`], { ...rivalEnv(url, wechat), ...env })
  const service = await site.serve(wechat)
  return {
    'ours, REST': { server: service, protocol: rest },
    'ours, GraphQL': { server: service, protocol: graphql },
    'tuned fastify': { server: await rival('fastify', site.ownerUrl), protocol: byHand },
    'fastify, our SQL': {
      server: await rival('fastify', site.databaseUrl, { SQL: 'ours' }),
      protocol: byHand,
    },
    'naive express': { server: await rival('express', site.ownerUrl), protocol: byHand },
    'plain PostGraphile': { server: await rival('postgraphile', site.databaseUrl), protocol: plainGraphql },
  }
}

const ratio = (value: number, other: number | undefined) =>
  other ? Number((value / other).toFixed(2)) : undefined

function print({ operation, connections, systems, floor }: Row): void {
  console.log(`\n${operation}, ${connections} connections; own SQL alone: ${Math.round(floor)} a second`)
  const tuned = systems['tuned fastify']
  console.table(
    Object.fromEntries(
      Object.entries(systems).map(([name, it]) => [
        name,
        {
          'a second': Math.round(it.perSecond),
          '÷ fastify': ratio(it.perSecond, tuned?.perSecond),
          '÷ express': ratio(it.perSecond, systems['naive express']?.perSecond),
          '÷ own SQL': ratio(it.perSecond, floor),
          'p50 ms': it.p50,
          'p99 ms': it.p99,
          'p99 ÷ fastify': ratio(it.p99, tuned?.p99),
          'node ms': it.nodeMs?.toFixed(2),
          'postgres ms': it.postgresMs?.toFixed(2),
          errors: it.errors,
        },
      ]),
    ),
  )
}
