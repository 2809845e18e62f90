/** How often a race or a random test runs: `ROUNDS`, which `npm run test:long` sets, else a few times. */
export const ROUNDS = Number(process.env.ROUNDS ?? 3)

export const everyRound = Array.from({ length: ROUNDS }, (_, index) => index + 1)
