import type { Rhythm } from '../../src/tasks/abandoned_jobs.ts'

/** As src/tasks/abandoned_jobs.ts, for people who wait. */
export const RHYTHM: Rhythm = { everyMs: 200, graceMs: 600 }
