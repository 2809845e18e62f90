import type pg from 'pg'
import { code, prose, table } from './text.ts'

interface Routine {
  name: string
  arguments: string
  result: string
  kind: 'administrators' | 'support' | 'policies'
  comment: string
}
interface Relation {
  name: string
  kind: string
  comment: string
  readers: string[]
  columns: { name: string; type: string; nullable: boolean; comment: string }[]
}

/** What callers of each kind may run; functions that only the schema itself calls are nobody's here. */
const ROUTINES = `
  select p.proname as name, pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
    case when has_function_privilege('support', p.oid, 'execute') and p.proname like 'support%' then 'support'
         when has_function_privilege('anon', p.oid, 'execute') then 'policies'
         else 'administrators' end as kind,
    obj_description(p.oid, 'pg_proc') as comment
  from pg_proc p
  where p.pronamespace = 'auth'::regnamespace and p.prorettype <> 'trigger'::regtype
    and (p.proname ~ '^(admin|support)_' or has_function_privilege('anon', p.oid, 'execute'))
  order by p.proname`

const RELATIONS = `
  select c.relname as name, case c.relkind when 'v' then 'view' else 'table' end as kind,
    obj_description(c.oid, 'pg_class') as comment,
    (select array_agg(role order by role) from unnest(array['service_role', 'support']) role
     where has_any_column_privilege(role, c.oid, 'select')) as readers,
    (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
       'nullable', not a.attnotnull, 'comment', col_description(c.oid, a.attnum)) order by a.attnum)
     from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class c
  where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'v')
  order by c.relname`

const chapters: Record<Routine['kind'], string> = {
  administrators: `## Functions of administrators

For members of \`service_role\`, and the owner. Those that change something take a reason, and leave an audit entry.
Cases, with the statements that answer them: [admin.md](../admin.md).`,
  support: `## Functions of support staff

For members of \`support\`, and the owner.`,
  policies: `## For policies and functions of your own

Within a request they tell who calls: [own_tables.md](../own_tables.md).`,
}

const inLines = (list: string) => `(\n  ${list.split(', ').join(',\n  ')}\n)`
const wrapped = (list: string) => (list.length > 60 ? inLines(list) : `(${list})`)

/** `Raises …` of a comment is read better apart. */
function routine({ name, arguments: given, result, comment }: Routine): string {
  const [, does, raises] = /^(.*?)(?: Raises (.*))?$/s.exec(prose(comment))!
  const answers = result.replace(/^TABLE\((.*)\)$/, (_whole, columns) => `TABLE${wrapped(columns)}`)
  return [
    `### ${name}`,
    `\`\`\`text\nauth.${name}${wrapped(given)} → ${answers}\n\`\`\``,
    does!,
    ...(raises ? [`Raises ${raises}`] : []),
  ].join('\n\n')
}

function relation({ name, kind, comment, readers, columns }: Relation): string {
  const isView = kind === 'view'
  const rows = columns.map(column => [
    code(column.name),
    column.type,
    ...(isView ? [] : [column.nullable ? 'yes' : '']),
    prose(column.comment),
  ])
  const head = ['column', 'type', ...(isView ? [] : ['null']), 'what']
  const read = readers ? `Readable by ${readers.map(code).join(' and ')}.` : 'For the owner alone.'
  return `### auth.${name}\n\n${isView ? 'A view. ' : ''}${prose(comment)} ${read}\n\n${table(head, rows)}`
}

/** Raises where something has no comment. */
function requireComments(routines: Routine[], relations: Relation[]) {
  const without = [...routines, ...relations, ...relations.flatMap(({ columns }) => columns)].filter(
    ({ comment }) => !comment,
  )
  if (without.length > 0) throw new Error(`without a comment: ${without.map(({ name }) => name).join(', ')}`)
}

/** docs/reference/sql.md, of the catalogue of a database with the schema. */
export async function sqlPage(client: pg.ClientBase): Promise<string> {
  const { rows: routines } = await client.query<Routine>(ROUTINES)
  const { rows: relations } = await client.query<Relation>(RELATIONS)
  requireComments(routines, relations)
  const functions = Object.entries(chapters).map(([kind, head]) =>
    [head, ...routines.filter(routine => routine.kind === kind).map(routine)].join('\n\n'),
  )
  return `# SQL

What the schema \`auth\` has for people: with \`psql\` or any other client, by a login that is a member of \`service_role\` or of
\`support\`, or as the owner. The texts are the comments of the objects; in psql \`\\df+ auth.*\` and \`\\d+ auth.users\` show them.
Who may do what to the last column is in \`sql/privileges.md\`.

Errors have a SQLSTATE of their own: [errors.md](../errors.md). Phones are E.164 with plus.

${functions.join('\n\n')}

## Tables and views

${relations.map(relation).join('\n\n')}
`
}
