import { definitionOf, type Id, ids } from '../src/doctor/catalogue.ts'

const row = (id: Id) => {
  const { looks, fault = '', warning = '' } = definitionOf(id)
  return `| \`${id}\` | ${looks} | ${fault} | ${warning} |`
}

/** docs/doctor.md: the checks are those of the code, the rest is written here. */
export const doctorPage = () => `# Doctor

\`postgraphile-wechat doctor\` looks whether everything is as the service needs it, says in a line each what it has found, and under what is
wrong what to do about it. It takes a second, and at most fifteen where everything hangs.

\`\`\`sh
npx postgraphile-wechat doctor          # for people; in colour on a terminal, unless NO_COLOR is set
npx postgraphile-wechat doctor --json   # for programs
\`\`\`

It looks through the eyes of whatever has the same environment, so run it where that runs:

| of what | how |
|---|---|
| \`npm start\` | in the same directory, with the same \`DATA_DIR\`, while it runs: without a \`DATABASE_URL\` the logins come from \`DATA_DIR/env\` |
| a web node | \`set -a; . /etc/postgraphile-wechat/web.env; set +a; postgraphile-wechat doctor\` |
| a worker | the same with \`worker.env\`; a \`DATABASE_OWNER_URL\` without \`DATABASE_URL\`, \`JWT_SECRET\` and \`SITE_URL\` is a worker's, or an operator's |
| containers | \`docker compose run --rm --no-deps web doctor\`, and the same with \`worker\` |

With both logins in its environment it makes all checks; a check that has nothing to look at is skipped, and says why.

| exit code | what it means |
|---|---|
| 0 | no fault; there may be warnings |
| 1 | a fault, or several |
| 78 | the environment itself cannot be used: all its faults are told, and what can be looked at without them is |

## What it leaves alone

It writes nothing, into no table and no file, with one exception: where WeChat's access token is of the legacy kind and the fleet has none, it
fetches the one that the next request would have fetched. It never forces WeChat to make another token, and of the daily quota of
the stable one (500,000) it takes one call for each app. Secrets, passwords, tokens and phones are in no line; addresses, logins and
appids are.

WeChat sees the address of the machine on which it runs. Where that is not on the list of the app (errcode 40164), the line names the
address that WeChat saw: run it on a node *and* on a worker.

## Checks

In the text the names have spaces, and those of the logins stand below the name of the login. Beyond what the table says, a check is a fault where its
statement had no answer within four seconds.

| check | what is looked at | fault | warning |
|---|---|---|---|
${ids.map(row).join('\n')}

## JSON

One document: \`version\`, \`node\`, \`mode\`, \`exit_code\`, and \`checks\`, each with \`check\`, \`group\`, \`verdict\` (\`ok\`, \`warning\`, \`fault\` or
\`skipped\`), \`text\`, and with a warning or a fault \`help\`. A check has several entries where it has found several things, or looks at
several apps. \`check\`, \`group\` and \`verdict\` stay as they are; the texts are for people, and may change.
`
