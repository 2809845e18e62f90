import { z } from 'zod'
import { Environment } from '../../src/environment.ts'
import { code, type Language, otherLanguage, table } from './text.ts'
import { chapters, kinds, type Variable, variables } from './variables.ts'

type Name = keyof typeof variables

/** The schema that sees the text first, without what says that it may be missing. */
function innermost(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return innermost(schema.unwrap())
  return schema instanceof z.ZodPipe ? innermost(schema.in) : schema
}

/** The values of a variable that has a list of them. */
export function valuesOf(name: Name): string[] | undefined {
  const inner = innermost(Environment.shape[name])
  return inner instanceof z.ZodEnum ? inner.options.map(String) : undefined
}

/** The default as somebody would write it into the environment; undefined: the schema has none. */
export function defaultOf(name: Name): string | undefined {
  const schema: z.ZodType = Environment.shape[name]
  if (!(schema instanceof z.ZodDefault)) return undefined
  const value: unknown = schema.parse(undefined)
  if (value === null) return 'forever'
  if (typeof value === 'boolean' && valuesOf(name)?.includes('on')) return value ? 'on' : 'off'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const told = {
  en: {
    head: ['variable', 'default', 'value', 'meaning'],
    intro: `# Variables

Every variable of the environment. It is read once, at the start; what is missing or wrong is listed at once, and the exit
code is 78. A variable that is set to nothing is not set. \`.env\` files are not read: the shell, systemd or Docker does that.

*Embedded* is a service without a \`DATABASE_URL\`, outside production: it starts its own PostgreSQL and makes its keys; what it has
made is in \`DATA_DIR/env\`. Outside production WeChat is simulated unless \`WECHAT_APP_ID\` is set.`,
  },
  zh: {
    head: ['变量', '默认值', '取值', '含义'],
    intro: `# 环境变量

全部环境变量。只在启动时读取一次；缺失或错误的配置会一次性全部列出，退出码为 78。设为空等于没有设置。服务不读取 \`.env\` 文件，由 shell、systemd 或 Docker 负责。

*内嵌模式*指生产环境之外、没有设置 \`DATABASE_URL\` 的服务：它启动自己的 PostgreSQL，自动生成密钥，并把生成的内容保存在 \`DATA_DIR/env\`。生产环境之外，只要没有设置 \`WECHAT_APP_ID\`，就使用模拟的微信。`,
  },
}

/** docs/reference/variables.md and its Chinese twin. */
export function variablesPage(language: Language): string {
  const rowOf = ([name, variable]: [string, Variable]) => [
    code(name),
    variable.fallback?.[language] ?? code(defaultOf(name as Name)!),
    variable.kind
      ? kinds[variable.kind].text[language]
      : valuesOf(name as Name)!
          .map(code)
          .join(', '),
    variable.meaning[language],
  ]
  const { head, intro } = told[language]
  const sections = Object.entries(chapters).map(([chapter, title]) => {
    const own = Object.entries(variables).filter(([, variable]) => variable.chapter === chapter)
    return `## ${title[language]}\n\n${table(head, own.map(rowOf))}`
  })
  return `${[intro.replace('\n\n', `\n\n${otherLanguage(language, 'variables')}\n\n`), ...sections].join('\n\n')}\n`
}
