import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findLeaks } from './support/leaks.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leaks-test-'))
  writeFileSync(
    join(directory, 'secret-1.txt'),
    'the-code-of-a-tap\na secret with blanks\n+8613800138000\n86_ab/cd+ef==\n2025550123\n',
  )
})
afterEach(() => rmSync(directory, { recursive: true }))

const leaksIn = (line: string) => {
  writeFileSync(join(directory, 'log-1.txt'), `{"msg":"harmless"}\n${line}\n`)
  return findLeaks(directory).map(({ what }) => what)
}

test.each([
  ['a code', '{"url":"/login?code=the-code-of-a-tap&x=1"}', 'the-code-of-a-tap'],
  ['a code with signs', 'token 86_ab/cd+ef==, gone', '86_ab/cd+ef=='],
  ['a phone', 'Key (phone)=(+8613800138000) already exists', '+8613800138000'],
  ['a phone without its plus', '8613800138000', '8613800138000'],
  ['a national phone', '{"phone":"13800138000"}', '13800138000'],
  ['a code before an equals sign', '/login?code=86_ab/cd+ef==', '86_ab/cd+ef=='],
  ['a code that is written for a URL', '/login?code=86_ab%2Fcd%2Bef%3D%3D', '86_ab%2Fcd%2Bef%3D%3D'],
  ['a code with something around it', 'code_the-code-of-a-tap2', 'the-code-of-a-tap'],
  ['a secret with blanks', 'signed by "a secret with blanks"', 'a secret with blanks'],
  ['a phone as in a phone book', 'call 0086 138 0013 8000', '0086 138 0013 8000'],
  ['a foreign phone as in a phone book', 'call 202-555-0123.', '202-555-0123'],
  ['a phone that nobody has registered', '13912345678', '13912345678'],
  ['a foreign phone', 'number 2025550123', '2025550123'],
  [
    'a JWT that nobody has registered',
    `Bearer eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.abc`,
    'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.abc',
  ],
])('finds %s', (_what, line, found) => {
  expect(leaksIn(line)).toEqual([found])
})

test.each(['+86138****8000', '{"time":1763838000000,"ms":12.13800138000}', 'the-code-of-another', '86', ''])(
  'lets %s pass',
  line => {
    expect(leaksIn(line)).toEqual([])
  },
)
