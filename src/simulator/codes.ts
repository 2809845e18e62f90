import { randomBytes } from 'node:crypto'

/** Login codes and phone codes live five minutes. Source: pages of wx.login and getPhoneNumber. */
const CODE_LIFE_MS = 5 * 60_000

/** A code that was minted and has not been swept: whose it is, and what WeChat will say for it. */
export interface Minted<T> {
  readonly appid: string
  /** Unix milliseconds. */
  readonly mintedAt: number
  readonly value: T
  /** A code is good once; whoever redeems it sets this. */
  used: boolean
}

/** The codes of one kind, in memory; the kinds do not know each other's codes. */
export class CodeStore<T> {
  readonly #now: () => number
  readonly #bytes: number
  readonly #codes = new Map<string, Minted<T>>()

  /** `now` in Unix milliseconds; a code is `bytes` random bytes, written as twice as many hex characters. */
  constructor(now: () => number, bytes: number) {
    this.#now = now
    this.#bytes = bytes
  }

  /** How many codes are held, expired ones included until the next mint. */
  get size(): number {
    return this.#codes.size
  }

  /** Makes a code of app `appid` which stands for `value`. */
  mint(appid: string, value: T): string {
    this.#sweep()
    const code = randomBytes(this.#bytes).toString('hex')
    this.#codes.set(code, { appid, mintedAt: this.#now(), value, used: false })
    return code
  }

  /** The code if this app minted it less than five minutes ago, used or not. */
  find(code: string, appid: string): Minted<T> | undefined {
    const minted = this.#codes.get(code)
    return minted && minted.appid === appid && !this.#expired(minted) ? minted : undefined
  }

  /** Whether another app minted this code less than five minutes ago. */
  isOfAnother(code: string, appid: string): boolean {
    const minted = this.#codes.get(code)
    return minted !== undefined && minted.appid !== appid && !this.#expired(minted)
  }

  #expired(minted: Minted<T>): boolean {
    return this.#now() >= minted.mintedAt + CODE_LIFE_MS
  }

  /** A Map keeps the order of minting, which is the order of expiry: the first living code ends the sweep. */
  #sweep(): void {
    for (const [code, minted] of this.#codes) {
      if (!this.#expired(minted)) return
      this.#codes.delete(code)
    }
  }
}
