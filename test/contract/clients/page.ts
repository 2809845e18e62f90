import { readFileSync } from 'node:fs'
import { authJsEntries } from './auth_js.ts'
import type { Entry } from './entry.ts'
import { memfireEntries } from './memfire.ts'

// docs/compatibility.md: a few words of ours, and the tables as the probes beside them have shown them. Written by
// `npm run generate`.

type Row = Omit<Entry, 'probe'>

const HEAD = `# Compatibility

Three clients that nobody here wrote work with this service as they are: MemFire's mini-program SDK, its current version and the one
before, and Supabase's auth client. To move, change the URL and the key:

\`\`\`js
// supabase-wechat-stable-v2, in a mini program
const supabase = createClient('https://auth.example.com', ANON_KEY)

// @supabase/auth-js, which is \`auth\` of supabase-js, too
const auth = new AuthClient({
  url: 'https://auth.example.com/auth/v1',
  headers: { apikey: ANON_KEY, Authorization: \`Bearer \${ANON_KEY}\` },
})
\`\`\`

Sessions of another service are not taken over: \`wx.login\` signs the user in again, with the openid that he has in that mini
program anyway.

Below is every public method of each client. The tables are made from tests: every row's method is called in the unchanged client,
against a real service, and a method without a row fails them (\`test/contract/clients/\`).

- **works**: it does what its documentation says. An answer beside it is one that the client copes with.
- **refused**: the service answers this error.
- **by design not**: there is no such thing here, and the note says what. The error is an ordinary one, and the session stays.
  *forgets*: not so here, for the SDK takes the method for a sign-in and drops its session before it asks, at any service.

*Request* is below \`/auth/v1\`, but for the other services of MemFire; where it is empty, nothing is asked. The errors are those of
[errors.md](errors.md).
`

const { devDependencies } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
)
const versionOf = (name: string) => (devDependencies[name] as string).replace(/^npm:.*@/, '')

/** `object`: what its methods are called on, as the page writes it. */
const clients: { title: string; text: string; object: string; rows: Row[] }[] = [
  {
    title: `supabase-wechat-stable-v2 ${versionOf('supabase-wechat-stable-v2')}`,
    text: `An error is an \`AuthApiError\` (of 503, an \`AuthRetryableFetchError\`) with \`status\` and without \`code\`. Its \`message\` is
the JSON of the whole response; the name is \`JSON.parse(error.message).data.error_code\`.`,
    object: 'supabase.',
    rows: memfireEntries('2.2.0'),
  },
  {
    title: `supabase-wechat-stable-v2 ${versionOf('supabase-wechat-stable-v2-2.0.8')}`,
    text: `An error is an \`AuthApiError\` (of 503, an \`AuthRetryableFetchError\`) with \`status\` and without \`code\`. Its \`message\` is
the service's, for people (of 503, the JSON of the whole response). The user of a result is not \`data.user\` but
\`data.user.data\`, but for that of a session; this version has it so at any service.`,
    object: 'supabase.',
    rows: memfireEntries('2.0.8'),
  },
  {
    title: `@supabase/auth-js ${versionOf('@supabase/auth-js')}`,
    text: `It knows no WeChat: send the code of \`wx.login\` to \`POST /auth/v1/wechat_mini/login\`, as \`{"code": "…"}\`, and give what comes
back to \`setSession\`. An error is an \`AuthApiError\` with \`status\` and \`code\`; of 500 and more, an
\`AuthRetryableFetchError\`, and of \`session_not_found\`, an \`AuthSessionMissingError\`, both without a code.`,
    object: '',
    rows: authJsEntries,
  },
]

const code = (text: string) => `\`${text}\``

function line(object: string, { method, when, asks, outcome, error, note, forgets }: Row): string {
  const cells = [
    code(object + method) + (when === undefined ? '' : `, ${when}`),
    asks === undefined ? '' : code(asks),
    outcome,
    error ? `${error.status} ${code(error.code)}` : '',
    [note, forgets && '*forgets*'].filter(Boolean).join('; '),
  ]
  return `| ${cells.join(' | ')} |`.replaceAll(/ +/g, ' ')
}

/** Rows of one method stand together, in the order in which methods are first named. */
function grouped(rows: Row[]): Row[] {
  const methods = [...new Set(rows.map(({ method }) => method))]
  return methods.flatMap(method => rows.filter(row => row.method === method))
}

const section = ({ title, text, object, rows }: (typeof clients)[number]) => `
## ${title}

${text}

| method | request | outcome | answer | note |
|---|---|---|---|---|
${grouped(rows)
  .map(row => line(object, row))
  .join('\n')}
`

export const compatibilityPage = () => HEAD + clients.map(section).join('')
