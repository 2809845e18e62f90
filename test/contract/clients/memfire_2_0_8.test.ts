import { memfireTests } from './memfire.ts'
import { testClient } from './run.ts'

// MemFire's SDK, as many mini programs still have it.

testClient(memfireTests('2.0.8'))
