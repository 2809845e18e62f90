import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshOpenid, loginCode } from '../support/client.ts'
import { createWx, type SentRequest } from '../support/wx.ts'
import type { Site } from './site.ts'

/** Which page, and with it which client. */
export type By = 'memfire' | 'graphql'

export interface PhoneOptions {
  openid?: string
  /** The language of WeChat. */
  language?: string
  envVersion?: 'develop' | 'trial' | 'release'
  /** Milliseconds; of app.json. */
  networkTimeout?: number
}

/** What the page shows when something has gone wrong. */
export interface Notice {
  text: string
  again: boolean
  support: boolean
}

const require = createRequire(import.meta.url)
const { JSDOM } = require('jsdom')
// miniprogram-simulate draws into a document, and finds it as in a browser. The modules of the mini program do not see it.
const { window } = new JSDOM('<!doctype html>')
const { document, CustomEvent } = window
Object.assign(globalThis, { window, document, CustomEvent, wx: {} })
const simulate = require('miniprogram-simulate')
const ids: Partial<Record<By, string>> = {}

/** What the SDK tells the developer's console of a network that fails is not asked for. */
const { error } = console
Object.assign(console, {
  error: (...said: unknown[]) => (said[0] as { errMsg?: string })?.errMsg === undefined && error(...said),
})

/** The page as WeChat would load it: once for all of its phones, since its modules run but once. */
function load(directory: string, by: By): string {
  ids[by] ??= simulate.load(`${directory}/pages/${by}/${by}`, by, {
    compiler: 'simulate',
    rootPath: directory,
  }) as string
  return ids[by]
}

export type Phone = ReturnType<typeof createPhone>

/** A phone with WeChat, on which nothing is stored yet. There is one at a time: what `wx` is, is the last one's. */
export function createPhone(site: Site, by: By, options: PhoneOptions = {}) {
  const { openid = freshOpenid(), language = 'zh_CN', envVersion = 'release', networkTimeout } = options
  const { requests, ...wx } = createWx(networkTimeout === undefined ? {} : { networkTimeout })
  const phone = { confirms: true, canLogin: true, nextAnswerIsLate: 0 }
  const id = load(site.directory, by)
  Object.assign((globalThis as unknown as { wx: object }).wx, wx, {
    request(options: Parameters<typeof wx.request>[0]) {
      const late = phone.nextAnswerIsLate
      phone.nextAnswerIsLate = 0
      wx.request({ ...options, success: answer => void setTimeout(() => options.success?.(answer), late) })
    },
    login: ({ success, fail }: { success(login: { code: string }): void; fail(error: object): void }) =>
      phone.canLogin
        ? loginCode(site.simulator, openid).then(code => success({ code }))
        : fail({ errMsg: 'login:fail' }),
    getAppBaseInfo: () => ({ language }),
    getAccountInfoSync: () => ({ miniProgram: { envVersion } }),
    showModal: ({ success }: { success(answer: { confirm: boolean }): void }) =>
      success({ confirm: phone.confirms }),
  })

  // biome-ignore lint/suspicious/noExplicitAny: miniprogram-simulate has no types of what it renders
  let page: any
  const account = () => page.querySelector('#account')
  const element = (name: string) =>
    page.dom.querySelector(`.account--${name}`) as { textContent: string } | null
  const shows = (name: string) => element(name)?.textContent ?? null
  const send = (name: string, event: string, detail: object = {}) =>
    account().querySelector(`.${name}`).dispatchEvent(event, { detail })

  async function until(isSo: () => boolean | Promise<boolean>) {
    for (const end = Date.now() + 20_000; !(await isSo()); await sleep(10)) {
      if (Date.now() > end) throw new Error(`The page still shows ${page.dom.outerHTML}`)
    }
  }

  /** Until nothing happens any more. */
  async function settled() {
    await sleep(10)
    await until(() => !account().data.busy)
  }

  return Object.assign(phone, {
    openid,
    requests,
    wx,
    shows,
    until,
    settled,
    has: (name: string) => element(name) !== null,
    /** Opens the mini program, anew if it is open; with a scene, by a code. */
    async open(scene?: string) {
      page?.detach()
      page = simulate.render(id, scene === undefined ? {} : { scene })
      page.attach(document.body)
      await settled()
    },
    /** WeChat shows the page once more, as after another page or a sheet. */
    comeBack: () => account().triggerPageLifeTime('show'),
    async tap(name: string) {
      send(name, 'tap')
      await settled()
    },
    type: (name: string, value: string) => send(name, 'input', { value }),
    /** What the sheet answers to a tap on the phone button. */
    sheet: (detail: object) => send('bind', 'getphonenumber', detail),
    notice: (): Notice | null =>
      element('notice') && { text: shows('text')!, again: !!element('again'), support: !!element('support') },
    /** An attribute in the template, by its element. */
    attribute(name: string, attribute: string): unknown {
      const { attrs } = account().querySelector(`.${name}`).toJSON()
      return attrs.find((one: { name: string }) => one.name === attribute)?.value
    },
    /** What was asked of the service, by the names of GraphQL. */
    asked: () => requests.map(operationOf),
    /** Only this. */
    askedFor: (name: string) => requests.filter(sent => operationOf(sent) === name),
  })
}

const REST: Record<string, string> = {
  login: 'wechatSignIn',
  bind_phone: 'wechatBindPhone',
  unbind_phone: 'wechatUnbindPhone',
  unlimited_qrcode: 'wechatUnlimitedQrcode',
  token: 'refreshSession',
  logout: 'signOut',
  user: 'currentUser',
}

function operationOf({ path, body }: SentRequest): string {
  if (path === '/graphql') return /\{ *(\w+)/.exec((body as { query: string }).query)![1]!
  return REST[/\/(\w+)(\?.*)?$/.exec(path)![1]!] ?? path
}
