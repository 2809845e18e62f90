import { readFileSync } from 'node:fs'
import { buildSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from 'graphql'
import { graphql, send, signIn } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type Node, startNode, startSimulator, type TestSimulator } from '../support/service.ts'

let db: TestDatabase
let simulator: TestSimulator
let node: Node

beforeAll(async () => {
  db = await createDatabase()
  simulator = await startSimulator()
  node = await startNode({ db, wechatUrl: simulator.url })
})
afterAll(async () => {
  await node.close()
  await simulator.close()
  await db.drop()
})

const aliases = (n: number, field: string) =>
  `{ ${Array.from({ length: n }, (_, i) => `a${i}: ${field}`).join(' ')} }`
test('a wrong variable is named, and its value is not', async () => {
  const { body } = await graphql(
    node,
    'mutation ($c: String!) { wechatSignIn(input: { code: $c }) { clientMutationId } }',
    {
      c: { secret: 'a-code-in-an-object' },
    },
  )
  expect(body.errors[0].message).toBe('Variable "$c" is not of its type')
})

test('a variable with a field of the wrong type is refused by the name of the field, without its value', async () => {
  const { body } = await graphql(
    node,
    'mutation ($input: WechatUnlimitedQrcodeInput!) { wechatUnlimitedQrcode(input: $input) { imgBase64 } }',
    { input: { scene: 'a-code-as-scene', lineColor: { r: 'a-code-as-red', g: 0, b: 0 } } },
  )
  expect(body.errors[0]).toMatchObject({
    message: 'Variable "$input" is not of its type: input.lineColor.r',
    extensions: { code: 'validation_failed' },
  })
})

test('50 aliased operations run, each as one of its own', async () => {
  const user = await signIn(node, simulator)
  const { status, body } = await graphql(node, aliases(50, 'currentUser { id }'), {}, user.accessToken)
  expect(status).toBe(200)
  expect(Object.values(body.data)).toEqual(Array(50).fill({ id: user.userId }))
})

test('only our operations and the type User of our schemas are in the schema', async () => {
  const { body } = await graphql(
    node,
    '{ __schema { queryType { fields { name } } mutationType { fields { name } } types { name } } }',
  )
  const names = (type: { fields: { name: string }[] }) => type.fields.map(({ name }) => name).sort()
  expect(names(body.data.__schema.mutationType)).toEqual([
    'deleteCurrentUser',
    'refreshSession',
    'signOut',
    'unlinkIdentity',
    'updateCurrentUser',
    'wechatBindAccount',
    'wechatBindPhone',
    'wechatSignIn',
    'wechatUnbindPhone',
    'wechatUnlimitedQrcode',
  ])
  expect(names(body.data.__schema.queryType)).toEqual([
    'currentUser',
    'currentUserIdentities',
    'id',
    'node',
    'query',
  ])
  const types = body.data.__schema.types.map(({ name }: { name: string }) => name)
  expect(
    types.filter((name: string) => /Identities|Audit|Migration|Event|Token$|WechatCode/.test(name)),
  ).toEqual([])
})

interface Documented {
  name: string
  description?: string | null | undefined
  args?: readonly Documented[]
}

test('every type, field, argument and value of the schema says what it is', () => {
  const schema = buildSchema(readFileSync(new URL('../../generated/schema.graphql', import.meta.url), 'utf8'))
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'))
  const undocumented = types.flatMap(type => {
    const parts: Documented[] = [type]
    if (isObjectType(type) || isInputObjectType(type) || isInterfaceType(type)) {
      for (const { args = [], ...field } of Object.values<Documented>(type.getFields())) {
        const name = `${type.name}.${field.name}`
        parts.push({ ...field, name }, ...args.map(arg => ({ ...arg, name: `${name}(${arg.name})` })))
      }
    }
    if (isEnumType(type))
      parts.push(...type.getValues().map(value => ({ ...value, name: `${type.name}.${value.name}` })))
    return parts.filter(({ description }) => !description?.trim()).map(({ name }) => name)
  })
  expect(types.length).toBeGreaterThan(20)
  expect(undocumented).toEqual([])
})

test('the IDE is served from here: no page of it names another host', async () => {
  const { body } = await send(`${node.url}/graphiql`)
  expect(body).toContain('<!DOCTYPE html>')
  expect(body.match(/(?:src|href)=["']?(?:https?:)?\/\//g)).toBeNull()
})
