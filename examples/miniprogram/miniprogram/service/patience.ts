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
      tell(seconds)
      await sleep(seconds)
    }
  }
}

/** Asks; where the session has ended meanwhile, signs in silently and asks once more: no code is spent before the user is known. */
export async function signedIn<T>(signIn: () => Promise<unknown>, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    if (!isSessionGone(asFailure(thrown))) throw thrown
    await signIn()
    return ask()
  }
}
