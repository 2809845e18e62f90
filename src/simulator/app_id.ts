/** The mini program that the simulator knows by default. */
export const SIMULATOR_APP_ID = 'wx5150000000000000'
export const SIMULATOR_APP_SECRET = '51500000000000000000000000000000'
