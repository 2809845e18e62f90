import { testCrashes } from './crash_scenario.ts'
import { startProduction } from './crash_site.ts'

testCrashes(startProduction, ['service', 'worker', 'PostgreSQL', 'a process of PostgreSQL'])
