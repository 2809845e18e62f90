import DataLoader from 'dataloader'
import { RateLimiterRes } from 'rate-limiter-flexible'
import RateLimiterStoreAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js'
import type { Database } from '../db/database.ts'
import { countOperations } from '../db/statements.ts'

interface Count {
  key: string
  points: number
  windowMs: number
}
interface Counted {
  points: number
  msLeft: number
}

/** Counts in the database; what is counted at the same moment is one statement. */
export type Counters = DataLoader<Count, Counted>

export const createCounters = (db: Database): Counters =>
  new DataLoader<Count, Counted>(async batch => countBatch(db, batch), { cache: false })

/** The database answers a sum a key; who shares a key with later ones of the batch is told what stood before them. */
async function countBatch(db: Database, batch: readonly Count[]): Promise<Counted[]> {
  const rows = await countOperations(
    db,
    batch.map(({ key }) => key),
    batch.map(({ points }) => points),
    batch.map(({ windowMs }) => windowMs),
  )
  const left = new Map(rows.map(({ key, points, ms_left }) => [key, { points, msLeft: ms_left }]))
  return batch
    .toReversed()
    .map(({ key, points }) => {
      const counted = left.get(key)!
      left.set(key, { ...counted, points: counted.points - points })
      return counted
    })
    .toReversed()
}

/** A limit of rate-limiter-flexible whose counters are those of all nodes. */
export class SharedLimiter extends RateLimiterStoreAbstract<Counted> {
  readonly #counters: Counters

  constructor(counters: Counters, options: { keyPrefix: string; points: number; duration: number }) {
    // Who is over a limit stays so until the window ends, which this node knows without asking again.
    super({ ...options, inMemoryBlockOnConsumed: options.points })
    this.#counters = counters
  }

  /** For how many milliseconds this node knows that `key` is over the limit; a clock that was set back is not believed. */
  override getInMemoryBlockMsBeforeExpire(rlKey: string): number {
    const ms = super.getInMemoryBlockMsBeforeExpire(rlKey)
    return ms > this.msDuration ? 0 : ms
  }

  protected override _upsert(key: string, points: number, windowMs: number): Promise<Counted> {
    return this.#counters.load({ key, points, windowMs })
  }

  protected override _getRateLimiterRes(
    _key: string,
    changed: number,
    { points, msLeft }: Counted,
  ): RateLimiterRes {
    return new RateLimiterRes(Math.max(this.points - points, 0), msLeft, points, points === changed)
  }
}
