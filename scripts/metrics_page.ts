import {
  type catalogue,
  type Definition,
  definitionOf,
  names,
  PREFIX,
  processMetrics,
} from '../src/metrics/catalogue.ts'

const code = (text: string) => `\`${text}\``

/** More values than fit into a table are told in words. */
const words: Record<string, string> = {
  rpc: 'the operation, yours too',
  operation: 'the operation, as in docs/operations.md, yours too',
  outcome: '`ok`, or the error',
  errcode:
    'the number, `895xx` for 89500 to 89599; `timeout`, `ECONNRESET`, `HTTP 5xx`, `nonsense`, …; `other`',
  endpoint: "WeChat's interface; `other` is what operations of your own ask",
}

function labelsOf({ labels }: Definition): string {
  const parts = Object.entries(labels).map(([name, values]) => {
    const meaning =
      words[name] ??
      (values === 'appids' ? 'the app' : typeof values === 'string' ? values : values.map(code).join(', '))
    return `${code(name)}: ${meaning}`
  })
  return parts.join('; ')
}

const row = (name: keyof typeof catalogue) => {
  const definition = definitionOf(name)
  const { type, of, unit = '', help, advice } = definition
  return `| ${code(PREFIX + name)} | ${type} | ${of} | ${unit} | ${labelsOf(definition)} | ${help} | ${advice} |`
}

/** docs/metrics.md: the metrics are those of the code, the rest is written here. */
export const metricsPage = () => `# Metrics

\`GET /metrics\` of every node of the web service, in the text format of Prometheus. It is never refused for being asked too
often, is not in the log of requests, and tells nothing about anybody: no phone, openid, user, code or token is in a label,
and what a label may say is bounded, whatever WeChat or callers send.

What is read of the database is read by one statement of \`auth_private.metrics\` every five seconds at most, on a
connection of the pool, however many ask. Where the database does not answer within two seconds, \`/metrics\` answers without those
numbers, and \`${PREFIX}database_up\` is 0: a number that is not there is not known, rather than old.

## Keep it inside

\`/metrics\` is open to whoever reaches the port. How many sign in, and which apps there are, is not for everybody: let the proxy keep
it from the world, and let Prometheus ask the nodes directly, each by itself.

nginx:

\`\`\`nginx
location ~* ^/metrics/?$ { return 404; }
\`\`\`

Caddy:

\`\`\`caddyfile
@metrics path /metrics /metrics/
respond @metrics 404
\`\`\`

Neither minds capitals, and neither does express.

Prometheus:

\`\`\`yaml
rule_files: [alerts.yml]
scrape_configs:
  - job_name: postgraphile-wechat
    static_configs:
      - targets: ['10.0.0.11:5678', '10.0.0.12:5678']
\`\`\`

## Metrics of the service

\`process\`: of the node that is asked; sum over the nodes. \`database\`: of the database, the same from every node; take the
greatest. A process that only works (\`postgraphile-wechat worker\`) has no port: what it does is seen in the database.

| metric | type | of | unit | labels | what it is | what to do |
|---|---|---|---|---|---|---|
${names.map(row).join('\n')}

## Metrics of the process

By \`prom-client\`, under the names that dashboards for Node know.

| metric | what it is |
|---|---|
${Object.entries(processMetrics)
  .map(([name, what]) => `| ${code(name)} | ${what} |`)
  .join('\n')}

## Alerts

[alerts.yml](alerts.yml) is a file of rules for Prometheus. A test reads every expression with Prometheus' own grammar, and compares
names, labels and values with those of a node that runs. The thresholds are a beginning: what is usual for you, your graphs say.
\`WechatTapsOverBudget\` in particular wants your own number, because WeChat charges for every phone.

## In an application of your own

The plugin alone has no \`/metrics\`: \`app.use('/metrics', metricsRouter(services))\` mounts it. Operations, calls of WeChat and the database
are measured all the same; HTTP requests are measured by the service's own application (\`createApp\`) only.
`
