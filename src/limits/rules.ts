/** By whom an operation is counted. */
export type Key = 'user' | 'session' | 'address'

export interface Rule {
  by: Key
  /** So many operations are let through … */
  points: number
  /** … in a window of so many seconds, which begins with the first of them. */
  seconds: number
}

const MINUTE = 60
const DAY = 86_400

/**
 * The limits, for all nodes together. Those by client address are wide: a mobile carrier puts thousands of people behind
 * one. `request` is a GraphQL request, whatever is in it, and `GET /user`; the others are operations, however many of them
 * one request holds. The table in docs/operations.md is compared with this one by a test.
 */
export const rules = {
  request: [
    { by: 'session', points: 600, seconds: MINUTE },
    { by: 'address', points: 6_000, seconds: MINUTE },
  ],
  wechatSignIn: [{ by: 'address', points: 1_200, seconds: MINUTE }],
  wechatBindPhone: [
    { by: 'user', points: 60, seconds: MINUTE },
    { by: 'user', points: 300, seconds: DAY },
    { by: 'address', points: 1_200, seconds: MINUTE },
  ],
  wechatUnbindPhone: [{ by: 'user', points: 60, seconds: MINUTE }],
  wechatBindAccount: [
    { by: 'user', points: 60, seconds: MINUTE },
    { by: 'address', points: 1_200, seconds: MINUTE },
  ],
  updateCurrentUser: [{ by: 'user', points: 60, seconds: MINUTE }],
  unlinkIdentity: [{ by: 'user', points: 60, seconds: MINUTE }],
  deleteCurrentUser: [{ by: 'user', points: 60, seconds: MINUTE }],
  refreshSession: [
    { by: 'session', points: 300, seconds: MINUTE },
    { by: 'address', points: 3_000, seconds: MINUTE },
  ],
  signOut: [{ by: 'user', points: 60, seconds: MINUTE }],
  wechatUnlimitedQrcode: [{ by: 'address', points: 600, seconds: MINUTE }],
} as const satisfies Record<string, Rule[]>
