import { readFile } from 'node:fs/promises'
import { buildClientSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql'
import { graphql } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode } from '../support/service.ts'

let db: TestDatabase
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  node = await startNode({ db, wechatUrl: 'http://127.0.0.1:1' })
})
afterAll(async () => {
  await node.close()
  await db.drop()
})

test('a node serves the schema that is committed, with what it says of every operation', async () => {
  const { body } = await graphql(node, getIntrospectionQuery({ inputValueDeprecation: true }))
  const served = printSchema(lexicographicSortSchema(buildClientSchema(body.data)))
  const committed = await readFile(new URL('../../generated/schema.graphql', import.meta.url), 'utf8')
  expect(`${served}\n`).toBe(committed)
})
