import type { Failure } from '../../service/failure'
import { asFailure, isForSupport, isWorthAnotherTry } from '../../service/failure'
import { patiently } from '../../service/patience'
import type { Service, User } from '../../service/service'
import { services } from '../../service/services'
import { textOf, texts } from '../../texts/texts'
import { zh } from '../../texts/zh'
import { simulatedPhoneSheet } from '../../wechat/codes'
import { envVersion, simulator } from '../../wechat/environment'
import type { PhoneSheet } from '../../wechat/phone_sheet'
import { refusal } from '../../wechat/phone_sheet'
import { masked } from './masked'

/** What the user sets off; `again` repeats it. */
type Action = 'signIn' | 'bindPhone' | 'unbindPhone' | 'qrCode' | 'signOut'

interface Notice {
  text: string
  id: string
  again: boolean
  support: boolean
}

const noticeOf = (failed: Failure): Notice => ({
  text: textOf(failed),
  id: failed.id === undefined ? '' : `${failed.code} · ${failed.id}`,
  again: isWorthAnotherTry(failed),
  support: isForSupport(failed),
})

/** WeChat encodes a scene as in a URL. */
function decoded(scene: string): string {
  try {
    return decodeURIComponent(scene)
  } catch {
    return scene
  }
}

Component({
  properties: {
    /** Which of the services: memfire or graphql. */
    by: { type: String, value: 'graphql' },
    /** What the code says through which the page was opened, as WeChat hands it on. Anybody may have made it: nothing to trust. */
    scene: { type: String, value: '' },
  },

  // What begins with _ is not for the view.
  options: { pureDataPattern: /^_/ },

  data: {
    t: zh,
    simulated: false,
    number: '13800138000',
    /** Empty: nobody is signed in. */
    userId: '',
    /** Masked: the view needs no more. */
    phone: '',
    image: '',
    /** By whose code the page was opened; empty: by none. */
    openedBy: '',
    busy: false,
    waiting: '',
    notice: null as Notice | null,
    _action: 'signIn' as Action,
    /** Of the last tap; it may be sent as often as need be. */
    _code: '',
    /** How many actions there were. */
    _actions: 0,
  },

  observers: {
    scene(scene: string) {
      this.setData({ openedBy: scene && texts().openedBy.replace('{scene}', () => decoded(scene)) })
    },
  },

  lifetimes: {
    /** Whoever has signed out stays so until he wants otherwise. */
    attached() {
      this.setData({ t: texts(), simulated: simulator() !== '' })
      if (!wx.getStorageSync(`signed-out-${this.data.by}`)) this.run('signIn')
    },
  },

  pageLifetimes: {
    show() {
      if (this.data.userId) this.reload()
    },
  },

  methods: {
    service(): Service {
      return services[this.data.by as keyof typeof services]
    },

    /** One action at a time, however fast somebody taps: setData changes `busy` at once. */
    async run(action: Action, code = '') {
      if (this.data.busy) return
      this.setData({
        busy: true,
        notice: null,
        _action: action,
        _code: code,
        _actions: this.data._actions + 1,
      })
      try {
        await patiently(
          () => this.perform(action),
          seconds => this.setData({ waiting: texts().waiting.replace('{seconds}', String(seconds)) }),
        )
      } catch (thrown) {
        this.setData({ notice: noticeOf(asFailure(thrown)) })
      }
      this.setData({ busy: false, waiting: '' })
    },

    /**
     * Something may have changed elsewhere. Nobody has asked for it, so it keeps nobody waiting and complains of nothing: WeChat shows
     * the page anew after the phone sheet, too, just when the code arrives.
     */
    async reload() {
      const actions = this.data._actions
      const user = await this.service()
        .signIn()
        .catch(() => null)
      if (user && this.data._actions === actions) this.show(user)
    },

    async perform(action: Action): Promise<void> {
      const service = this.service()
      switch (action) {
        case 'signIn':
          return this.show(await service.signIn())
        case 'bindPhone':
          return this.show(await service.bindPhone(this.data._code))
        case 'unbindPhone':
          return this.show(await service.unbindPhone())
        case 'qrCode': {
          // The page that it opens gets the user's id, without its dashes: 32 characters are all that WeChat allows.
          const scene = this.data.userId.replace(/-/g, '')
          const page = `pages/${this.data.by}/${this.data.by}`
          const image = await service.qrCode({ scene, page, envVersion: envVersion() })
          return this.setData({
            image: `data:image/${image.startsWith('iVBOR') ? 'png' : 'jpeg'};base64,${image}`,
          })
        }
        case 'signOut':
          await service.signOut()
          wx.setStorageSync(`signed-out-${this.data.by}`, true)
          return this.setData({ userId: '', phone: '', image: '' })
      }
    },

    show({ id, phone }: User) {
      wx.removeStorageSync(`signed-out-${this.data.by}`)
      this.setData({ userId: id, phone: phone === null ? '' : masked(phone) })
    },

    onPhone({ detail }: { detail: PhoneSheet }) {
      if (detail.code) this.run('bindPhone', detail.code)
      else this.setData({ notice: noticeOf(refusal(detail)) })
    },

    onNumber({ detail }: { detail: { value: string } }) {
      this.setData({ number: detail.value })
    },

    async onSimulatedPhone() {
      try {
        this.onPhone({ detail: await simulatedPhoneSheet(this.data.number) })
      } catch (thrown) {
        this.setData({ notice: noticeOf(asFailure(thrown)) })
      }
    },

    onUnbind() {
      const { t } = this.data
      wx.showModal({
        content: t.unbindQuestion,
        confirmText: t.unbindPhone,
        success: ({ confirm }) => confirm && this.run('unbindPhone'),
      })
    },

    onSignIn() {
      this.run('signIn')
    },
    onQrCode() {
      this.run('qrCode')
    },
    onSignOut() {
      this.run('signOut')
    },
    onAgain() {
      this.run(this.data._action, this.data._code)
    },
  },
})
