import { code, table } from './text.ts'

/** What is personal goes from events that wait, too. */
const FORGOTTEN = 'absent where he took it back in WeChat, or his account was deleted, before this was told'

/** Each event: when it is written, and the members of its \`data\`, which test/scripts/events.test.ts compares with real ones. */
export const events: Record<string, { when: string; data: Record<string, string> }> = {
  'user.created': {
    when: 'somebody signed in for the first time, or an administrator made a user',
    data: {
      provider: '`wechat_mini`; null: made by an administrator',
      appid: 'the app of the sign-in; absent where an administrator made the user',
    },
  },
  'user.signed_in': {
    when: 'a sign-in, the first included',
    data: { session_id: 'the new session', appid: 'the app' },
  },
  'phone.bound': {
    when: 'the user has a phone that he did not have before: by a tap, by an administrator, or by a merge',
    data: { phone: `E.164 with plus; ${FORGOTTEN}` },
  },
  'phone.unbound': {
    when: 'a phone was taken from him: by himself, by an administrator, or because he took the authorization back',
    data: { phone: `the former one; ${FORGOTTEN}` },
  },
  'user.merged': {
    when: 'the account became part of another one; `user_id` is the one that is gone',
    data: { merged_into: 'the id of the account that stays' },
  },
  'user.deleted': {
    when: 'the account was deleted: by the user, by an administrator, or by leaving the mini program in WeChat',
    data: { hard: 'true: its row is gone too; false: the row stays, without anything personal' },
  },
  'authorization.revoked': {
    when: 'the user took an authorization back in WeChat, or left: [push.md](../push.md)',
    data: {
      appid: 'the app',
      revoke_info: "WeChat's numbers of what was taken back, as texts; `8` is the phone",
    },
  },
  'wechat.budget_warning': {
    when: "the taps of an app have used up 80 % of the month's budget: [wechat_usage.md](../wechat_usage.md#budget). About nobody: no `user_id`",
    data: {
      appid: 'the app',
      month: '`2026-11`, in Beijing',
      taps: 'how many so far',
      cost: 'what they cost, CNY',
      budget: '`WECHAT_MONTHLY_BUDGET`',
    },
  },
}

const sample = {
  type: 'phone.bound',
  timestamp: '2026-11-23T00:00:00.000Z',
  data: { phone: '+86138****8000', user_id: '5f0c7e6e-5d6b-4a53-9d2b-0c3f7a1c2d10' },
}

/** docs/reference/events.md; \`types\` are those of auth_private.event_types(). */
export function eventsPage(types: string[]): string {
  const told = Object.keys(events)
  if (types.join() !== told.join())
    throw new Error(`events of the database: ${types}; of scripts/reference/events.ts: ${told}`)
  const sections = Object.entries(events).map(
    ([type, { when, data }]) =>
      `## ${type}\n\nWhen: ${when}.\n\n${table(
        ['data', 'what'],
        Object.entries(data).map(([name, what]) => [code(name), what]),
      )}`,
  )
  return `# Events

What subscribers are told: the body of a webhook, and what the task \`auth_event\` of your own worker is given, with an \`id\` beside it. How to subscribe, verify and
replay: [webhooks.md](../webhooks.md).

\`\`\`json
${JSON.stringify(sample)}
\`\`\`

(Here the phone is masked; there it is not.) \`timestamp\` is the time of the transaction that the event tells of, and in which it was
written. \`data\` has \`user_id\`, whom it is about, and what stands below. New members may be added: ignore those that you do
not know.

${table(
  ['event', 'when'],
  Object.entries(events).map(([type, { when }]) => [`[${type}](#${type.replaceAll('.', '')})`, when]),
)}

${sections.join('\n\n')}
`
}
