import { effect, signal } from '@preact/signals'
import { remember, remembered } from './storage.ts'

export type Language = 'en' | 'zh'
export type Theme = 'light' | 'dark'
/** By which of the two entrances the phone asks. */
export type Entrance = 'GraphQL' | 'REST'

const systemTheme: Theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'

export const language = signal(
  remembered<Language>('language', navigator.language.startsWith('zh') ? 'zh' : 'en'),
)
export const theme = signal(remembered<Theme>('theme', systemTheme))
export const entrance = signal(remembered<Entrance>('entrance', 'GraphQL'))

effect(() => {
  remember('language', language.value)
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})
effect(() => {
  remember('theme', theme.value)
  document.documentElement.dataset.theme = theme.value
})
effect(() => remember('entrance', entrance.value))
