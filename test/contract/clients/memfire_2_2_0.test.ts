import { memfireTests } from './memfire.ts'
import { testClient } from './run.ts'

// MemFire's SDK, the current version.

testClient(memfireTests('2.2.0'))
