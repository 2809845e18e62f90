import { graphql } from './graphql'
import { memfire } from './memfire'

/** Two ways to the same service. Keep the one that you like, and delete the other with its page. */
export const services = { memfire, graphql }
