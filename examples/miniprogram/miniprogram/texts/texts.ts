import type { Failure } from '../service/failure'
import { isSessionGone } from '../service/failure'
import { language } from '../wechat/environment'
import { en } from './en'
import { zh } from './zh'

/** In the language of WeChat: Chinese, and English for everybody else. */
export const texts = () => (language().startsWith('zh') ? zh : en)

/** What has happened, and what helps, for the person who holds the phone. */
export function textOf(failed: Failure): string {
  const { failures } = texts()
  const code = isSessionGone(failed) ? 'session_not_found' : failed.code
  return failures[code as keyof typeof failures] ?? failures.unexpected_failure
}
