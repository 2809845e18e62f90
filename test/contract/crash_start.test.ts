import { testCrashes } from './crash_scenario.ts'
import { startAlone } from './crash_site.ts'

// As `npm start`: with the service the worker dies, and PostgreSQL is left without anybody who looks after it.
testCrashes(startAlone, ['service', 'PostgreSQL', 'a process of PostgreSQL'])
