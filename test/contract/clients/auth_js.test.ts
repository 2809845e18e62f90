import { authJsTests } from './auth_js.ts'
import { testClient } from './run.ts'

// Supabase's auth client, @supabase/auth-js.

testClient(authJsTests)
