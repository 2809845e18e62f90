// The package exports its base class of stores in its types and not at run time; this is the file it is in.
declare module 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js' {
  import { type RateLimiterRes, RateLimiterStoreAbstract } from 'rate-limiter-flexible'

  export default abstract class Store<Counted> extends RateLimiterStoreAbstract {
    constructor(options: {
      keyPrefix: string
      points: number
      duration: number
      inMemoryBlockOnConsumed: number
    })
    readonly msDuration: number
    getKey(key: string): string
    getInMemoryBlockMsBeforeExpire(rlKey: string): number
    protected abstract _upsert(key: string, points: number, windowMs: number): Promise<Counted>
    protected abstract _getRateLimiterRes(
      key: string,
      changedPoints: number,
      counted: Counted,
    ): RateLimiterRes
  }
}
