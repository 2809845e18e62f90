import { testFlow } from './flow.ts'
import { type Site, startSite } from './site.ts'

// examples/miniprogram by plain GraphQL, against a real service.

let site: Site
beforeAll(async () => {
  site = await startSite()
})
afterAll(() => site.close())

testFlow('graphql', () => site)
