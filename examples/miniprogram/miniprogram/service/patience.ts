import { asFailure, isPassing, isSessionGone } from './failure'

const ATTEMPTS = 3
/** Seconds between attempts where the service names none. */
const PAUSE = 2
/** Longer than this nobody looks at a spinner. */
const LONGEST_PAUSE = 10

const sleep = (seconds: number) => new Promise<void>(resolve => setTimeout(resolve, seconds * 1000))

/** Asks again where it passes by itself. `tell`: how long the user has to wait. */
export async function patiently<T>(ask: () => Promise<T>, tell: (seconds: number) => void): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (thrown) {
      const failed = asFailure(thrown)
      const seconds = failed.code === 'timeout' ? 0 : (failed.retryAfter ?? PAUSE)
      if (!isPassing(failed) || attempt === ATTEMPTS || seconds > LONGEST_PAUSE) throw failed
      if (seconds > 0) tell(seconds)
      await sleep(seconds)
    }
  }
}

/** Asks; where the session has ended, does something else. No code is spent before the user is known. */
export async function unlessGone<T>(ask: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    if (!isSessionGone(asFailure(thrown))) throw thrown
    return otherwise()
  }
}
