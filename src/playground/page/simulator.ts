// What WeChat does in the user's phone, and what goes wrong there: the simulator's control endpoints.

async function control<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`/simulator${path}`, {
    method,
    // A switch that was thrown just before the page is left has been thrown.
    keepalive: true,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error)
  return answer
}

export const wxLogin = async (openid: string) =>
  (await control<{ code: string }>('POST', '/login-codes', { openid })).code

/** The tap on the phone button, after the user has chosen a number. */
export const tap = async (openid: string, phone: string) =>
  (await control<{ code: string }>('POST', '/phone-codes', { openid, phone })).code

const STANDING = { endpoint: 'getuserphonenumber', times: 'always' }

export const addFault = async (fault: object, after: boolean) =>
  (await control<{ id: number }>('POST', '/faults', { ...STANDING, fault, after })).id

export const removeFault = (id: number) => control('DELETE', `/faults/${id}`)

interface StandingFault {
  id: number
  endpoint: string
  times: number | string
  fault: object
  after: boolean
}

/** The simulator's faults of the kind that `addFault` adds, by whomever. */
export const standingFaults = async () =>
  (await control<{ faults: StandingFault[] }>('GET', '/faults')).faults.filter(
    ({ endpoint, times }) => endpoint === STANDING.endpoint && times === STANDING.times,
  )

/** Every access token that the service has is dead from now on. */
export const killTokens = () => control('POST', '/tokens/kill', {})
