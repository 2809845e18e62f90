import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { codeHashes } from '../../src/tokens/code_hash.ts'

const [one, other] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))]
const APP = 'wx00000000000000aa'
const hex = (keys: KeyObject[], appid: string, code: string) =>
  codeHashes(keys, appid, code).map(hash => hash.toString('hex'))

test('a hash of 32 bytes for each key, in the order of the keys', () => {
  const [first, second] = hex([one, other], APP, 'a-code')
  expect(codeHashes([one, other], APP, 'a-code').map(hash => hash.length)).toEqual([32, 32])
  expect(hex([one], APP, 'a-code')).toEqual([first])
  expect(hex([other], APP, 'a-code')).toEqual([second])
  expect(hex([other, one], APP, 'a-code')).toEqual([second, first])
})

test('equal on all nodes and at all times', () => {
  expect(hex([createSecretKey(one.export())], APP, 'a-code')).toEqual(hex([one], APP, 'a-code'))
  expect(hex([createSecretKey(Buffer.alloc(32, 1))], APP, 'a-code')).toEqual([
    'b33b928e9ed983e9428b91e76c3ed90d2663a569c30ee71d7d41e0e6f13babf5',
  ])
})

test('it differs by code, by app and by key', () => {
  const all = [
    ...hex([one], APP, 'a-code'),
    ...hex([one], APP, 'a-codf'),
    ...hex([one], APP, 'A-code'),
    ...hex([one], APP, 'a-code '),
    ...hex([one], 'wx00000000000000bb', 'a-code'),
    ...hex([other], APP, 'a-code'),
  ]
  expect(new Set(all).size).toBe(all.length)
})

test('nobody without the key can tell which code it was', () => {
  const [hash] = hex([one], APP, 'a-code')
  for (const text of ['a-code', `${APP}:a-code`, `code:${APP}:a-code`])
    expect(createHash('sha256').update(text).digest('hex')).not.toBe(hash)
})
