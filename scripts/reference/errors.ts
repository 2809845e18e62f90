import { catalogue, type ErrorCode, type Remedy } from '../../src/errors.ts'
import { code, type Language, otherLanguage, table } from './text.ts'

// The errors of src/errors.ts in both languages. One that is not translated does not compile.

const chinese: Record<ErrorCode, string> = {
  validation_failed: '请求不符合要求：缺少参数、为空、过长或格式错误',
  wechat_code_invalid: '微信不接受这个 code：已过期、已用过，或类型不对。请重新点击或重新登录',
  refresh_token_not_found: '没有这个刷新令牌。请重新登录',
  refresh_token_already_used: '这个刷新令牌已经用过，其会话因此结束。请重新登录',
  session_expired: '会话已到期。请重新登录',
  no_authorization: '需要已登录的用户。请登录',
  bad_jwt: '访问令牌无效。请重新登录',
  session_not_found: '会话已结束。请重新登录',
  user_banned: '该用户已被封禁',
  wechat_user_blocked: '微信判定该用户为高风险并予以拦截，本服务无法改变',
  not_admin: '需要 service-role key',
  user_not_found: '没有这个用户',
  wechat_code_used: '这个 code 已被其他用户兑换，或者它对应的手机号此后已离开本账号。请重新点击',
  phone_exists: '手机号已属于其他用户',
  identity_already_exists: '这个微信身份属于其他账号，或者本账号在该小程序中已有另一个微信身份',
  single_identity_not_deletable: '最后一个身份不能解除，否则谁也无法登录这个账号',
  wechat_phone_unusable: '微信的应答中没有可用的手机号。请重新点击',
  over_request_rate_limit: '操作过于频繁。请稍候',
  wechat_misconfigured: '本服务的小程序配置有误。请联系运维人员',
  unexpected_failure: '服务内部出错。请反馈',
  wechat_unavailable: '微信暂时没有正常应答。请稍后重试',
  database_unavailable: '服务繁忙或正在重启。请稍后重试',
}

const chineseRemedies: Record<Remedy, string> = {
  'fix the request': '修正请求',
  'tap or log in again': '重新点击按钮，或重新登录',
  'tap again': '重新点击按钮',
  'sign in': '登录',
  'nobody here can': '本服务无能为力',
  'resolve the conflict': '解决冲突',
  wait: '等待',
  'an operator': '由运维人员处理',
  'report it': '反馈问题',
  'retry later': '稍后重试',
}

const told: Record<Language, { head: string[]; intro: string }> = {
  en: {
    head: ['code', 'status', 'SQLSTATE', 'message', 'what helps'],
    intro: `# Errors

${otherLanguage('en', 'errors')}

One catalogue for SQL, GraphQL and REST. GraphQL answers with \`errors[].extensions.code\`, REST with \`error_code\` (or
\`code\`, for clients that send \`X-Supabase-Api-Version: 2024-01-01\` or later) and the header \`x-sb-error-code\`. Where WeChat
caused an error, \`wechat\` holds its \`errcode\` and \`rid\`. 429 and 503 come with \`Retry-After\`.

A GraphQL request that is refused as a whole (a bad token, a document that is not valid) has the status below; an error
of execution is HTTP 200. \`validation_failed\` is also 404, 405, 413 and 415, for route, method, size and type; on
\`/wechat/push\` \`no_authorization\` is 403; on \`/logout\` a dead session, a bad token and a ban are 401; on \`/token\` \`over_request_rate_limit\` and \`unexpected_failure\` are 503, because clients throw their session away on 429 and 500.`,
  },
  zh: {
    head: ['错误码', '状态码', 'SQLSTATE', '含义', '如何处理'],
    intro: `# 错误码

${otherLanguage('zh', 'errors')}

SQL、GraphQL 和 REST 共用一份错误目录。GraphQL 在 \`errors[].extensions.code\` 中给出错误码；REST 在 \`error_code\`（客户端发送 \`X-Supabase-Api-Version: 2024-01-01\` 或更新版本时为 \`code\`）和响应头 \`x-sb-error-code\` 中给出。由微信引起的错误，\`wechat\` 中有微信的 \`errcode\` 和 \`rid\`。429 和 503 带有 \`Retry-After\`。应答中的消息是英文，下表说明其含义。

整个请求被拒绝时（令牌无效、GraphQL 文档不合法），GraphQL 使用下表的状态码；执行中的错误为 HTTP 200。\`validation_failed\` 也可能是 404、405、413 和 415，分别表示路由、方法、大小和类型不对；在 \`/wechat/push\` 上 \`no_authorization\` 为 403；在 \`/logout\` 上，会话已结束、令牌无效和封禁均为 401；在 \`/token\` 上 \`over_request_rate_limit\` 和 \`unexpected_failure\` 为 503，因为客户端遇到 429 和 500 会丢弃会话。`,
  },
}

/** docs/errors.md and its Chinese twin. */
export function errorsPage(language: Language): string {
  const rows = Object.entries(catalogue).map(([name, entry]) => [
    code(name),
    String(entry.status),
    'sqlstate' in entry ? code(entry.sqlstate) : '',
    language === 'en' ? entry.message : chinese[name as ErrorCode],
    language === 'en' ? entry.remedy : chineseRemedies[entry.remedy],
  ])
  const { head, intro } = told[language]
  return `${intro}\n\n${table(head, rows)}\n`
}
