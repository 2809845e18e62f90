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

export const addFault = async (fault: object, after: boolean) =>
  (
    await control<{ id: number }>('POST', '/faults', {
      ...{ endpoint: 'getuserphonenumber', fault, after, times: 'always' },
    })
  ).id

export const removeFault = (id: number) => control('DELETE', `/faults/${id}`)

export const standingFaults = async () =>
  (await control<{ faults: { id: number }[] }>('GET', '/faults')).faults.map(({ id }) => id)

/** Every access token that the service has is dead from now on. */
export const killTokens = () => control('POST', '/tokens/kill', {})
