import { testMiniProgram } from './miniprogram.ts'

// Plain GraphQL.

testMiniProgram('graphql')
