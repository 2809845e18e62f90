import type { Env } from '../../src/config.ts'
import { definitionOf, type Id } from '../../src/doctor/catalogue.ts'
import { examine, type Report } from '../../src/doctor/doctor.ts'
import { jsonOf, textOf } from '../../src/doctor/print.ts'
import { SIMULATOR_APP_ID } from '../../src/simulator/index.ts'
import { record, secret } from '../support/leaks.ts'

/** Of no example's form. */
export const SECRET = 'N0t-of-anybody/9f8Qw2LmXzR5tVbKpYsE7uHc'
export const APP_SECRET = '0f1e2d3c4b5a69788796a5b4c3d2e1f0'
export const APP = SIMULATOR_APP_ID

/** What a production web service is told; the test adds where things are. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  HOST: '10.0.0.11',
  JWT_SECRET: SECRET,
  SITE_URL: 'https://auth.example.com',
  TRUSTED_PROXIES: '1',
  WECHAT_APP_ID: APP,
  WECHAT_APP_SECRET: APP_SECRET,
}

export interface Examined extends Report {
  text: string
  /** What a check has found: the verdict, a colon, the text, and what to do. */
  of(check: Id): string[]
}

/** What doctor says of an environment, in which no secret is. */
export async function doctor(env: Env): Promise<Examined> {
  const report = await examine(env)
  const [text, json] = [textOf(report, { colour: false }), jsonOf(report)]
  for (const value of secretsOf(env)) {
    secret(value)
    if (text.includes(value) || json.includes(value)) throw new Error('doctor shows a secret')
  }
  record('log', text)
  for (const { check, verdict, text } of report.findings) requireDocumented(check, verdict, text)
  return {
    ...report,
    text,
    of: check =>
      report.findings
        .filter(finding => finding.check === check)
        .map(({ verdict, text, help }) => [`${verdict}: ${text}`, ...(help ? [help] : [])].join(' → ')),
  }
}

/** docs/doctor.md has it that this check may say so. */
function requireDocumented(check: Id, verdict: string, text: string) {
  if (verdict !== 'fault' && verdict !== 'warning') return
  if (definitionOf(check)[verdict] === undefined && text !== 'no answer in time')
    throw new Error(`docs/doctor.md knows no ${verdict} of ${check}: ${text}`)
}

/** Of more than a few characters: what is shorter is part of some word. */
function secretsOf(env: Env): string[] {
  const passwords = [env.DATABASE_URL, env.DATABASE_OWNER_URL].flatMap(url =>
    url && URL.canParse(url) ? new URL(url).password : [],
  )
  const names = [
    'JWT_SECRET',
    'DATA_KEY',
    'WECHAT_APP_SECRET',
    'SERVICE_ROLE_KEY',
    'ANON_KEY',
    'WECHAT_PUSH_TOKEN',
  ]
  return [...passwords, ...names.map(name => env[name] ?? '')].filter(value => value.length > 4)
}

/** All that is not ok and not skipped, as `check: verdict`. */
export const complaints = ({ findings }: Report) =>
  findings
    .filter(({ verdict }) => ['warning', 'fault'].includes(verdict))
    .map(({ check, verdict }) => `${check}: ${verdict}`)
