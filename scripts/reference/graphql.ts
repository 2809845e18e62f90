import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLObjectType,
  getNamedType,
  isInputObjectType,
  isObjectType,
} from 'graphql'
import { type Rule, rules } from '../../src/limits/rules.ts'
import { cell, code, table } from './text.ts'

type Described = Pick<
  GraphQLField<unknown, unknown> | GraphQLArgument | GraphQLInputField,
  'name' | 'type'
> & {
  description?: string | null | undefined
}

/** What everybody finds out who reads the schema: Relay's own fields, and the mark of the client. */
const COMMON = ['clientMutationId', 'query', 'node', 'id']

function descriptionOf({ name, description }: Pick<Described, 'name' | 'description'>): string {
  if (!description) throw new Error(`${name} has no description in the GraphQL schema`)
  return cell(description)
}

/** A description, and the errors that end it. */
export function splitErrors(description: string): { text: string; errors: string[] } {
  const [, text, errors] = /^(.*?)(?: Errors: ([a-z_, ]+)\.)?$/s.exec(cell(description))!
  return { text: text!, errors: errors?.split(', ') ?? [] }
}

export const limitsText = (operation: string): string => {
  const list: readonly Rule[] | undefined = Object.entries(rules).find(([name]) => name === operation)?.[1]
  return list?.map(({ by, points, seconds }) => `${points} by ${by} in ${seconds} s`).join('; ') ?? 'none'
}

const rowsOf = (fields: Described[]) =>
  fields.map(field => [code(field.name), code(String(field.type)), descriptionOf(field)])

/** What is true of a query or a mutation besides its fields. */
function facts(description: string, operation: string): string {
  const { text, errors } = splitErrors(description)
  const raised = errors.length > 0 ? `\n- Errors: ${errors.map(code).join(', ')}` : ''
  return `${text}\n${raised}\n- Limits: ${limitsText(operation)}`
}

const inputOf = (field: GraphQLField<unknown, unknown>) =>
  getNamedType(field.args[0]!.type) as GraphQLInputObjectType

function mutation(field: GraphQLField<unknown, unknown>): string {
  const own = (fields: object) =>
    Object.values(fields as Record<string, Described>).filter(({ name }) => !COMMON.includes(name))
  const payload = own((field.type as GraphQLObjectType).getFields())
  const inputs = own(inputOf(field).getFields())
  const parts = [
    `### ${field.name}`,
    facts(descriptionOf(field), field.name),
    inputs.length > 0
      ? table([`input: ${code(inputOf(field).name)}`, 'type', ''], rowsOf(inputs))
      : 'The input may be `{}`.',
    payload.length > 0
      ? table([`payload: ${code(String(field.type))}`, 'type', ''], rowsOf(payload))
      : 'The payload has nothing of its own.',
  ]
  return parts.join('\n\n')
}

const objectType = (type: GraphQLObjectType | GraphQLInputObjectType) =>
  `### ${type.name}\n\n${descriptionOf(type)}\n\n${table(
    ['field', 'type', ''],
    rowsOf(Object.values<Described>(type.getFields())),
  )}`

/** docs/reference/graphql.md, of the text of generated/schema.graphql. */
export function graphqlPage(text: string): string {
  const schema = buildSchema(text)
  const queries = Object.values(schema.getQueryType()!.getFields()).filter(
    ({ name }) => !COMMON.includes(name),
  )
  const mutations = Object.values(schema.getMutationType()!.getFields())
  const types = Object.values(schema.getTypeMap()).filter(
    (type): type is GraphQLObjectType | GraphQLInputObjectType =>
      (isObjectType(type) || isInputObjectType(type)) &&
      !/^(Query|Mutation|__.*|.*Payload)$/.test(type.name) &&
      !mutations.some(field => inputOf(field) === type),
  )
  return `# GraphQL

\`POST /graphql\`, one request at a time (no batches). The caller is the bearer of \`Authorization: Bearer …\`: a user's access token,
or an API key; without a token it is \`anon\`. With several apps the header \`x-wechat-appid\` chooses one. The whole schema as a
file: \`generated/schema.graphql\`. What stands here is the service's own; tables and functions of your application appear beside it, as
PostGraphile makes them: [own_tables.md](../own_tables.md); so do operations of your own: [companion_rpc.md](../companion_rpc.md).

An error of execution is HTTP 200, with \`errors[].extensions.code\`: [errors.md](../errors.md). Every mutation takes \`input\`, with a
\`clientMutationId\` if you like, and its payload has \`clientMutationId\` and \`query\` besides the fields below. Limits hold
where \`RATE_LIMITS\` is on; every request counts as \`request\`, too: ${limitsText('request')}.

## Queries

${queries.map(field => `### ${field.name}: ${code(String(field.type))}\n\n${facts(descriptionOf(field), field.name)}`).join('\n\n')}

## Mutations

${mutations.map(mutation).join('\n\n')}

## Types

${types.map(objectType).join('\n\n')}

\`Datetime\` is ISO 8601 with a time zone, \`UUID\` its usual text, \`JSON\` any JSON value.
`
}
