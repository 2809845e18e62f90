import { testMiniProgram } from './miniprogram.ts'

// MemFire's SDK.

testMiniProgram('memfire')
