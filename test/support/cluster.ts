/** How to end each server that jest's global set-up started. */
const stops: (() => Promise<void>)[] = []

export const onTeardown = (stop: () => Promise<void>) => stops.push(stop)

export const stopServers = () => Promise.all(stops.map(stop => stop()))

/** jest runs no tear-down when it is ended before its time, and the servers would outlive it. */
export function stopServersOnSignals() {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopServers().finally(() => process.exit(1)))
}
