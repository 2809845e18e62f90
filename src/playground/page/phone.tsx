import { useLayoutEffect, useRef } from 'preact/hooks'
import {
  askForPhone,
  choose,
  DEVICES,
  type DeviceId,
  deviceId,
  hideQrcode,
  leave,
  type Notice,
  type Phone,
  phones,
  refresh,
  retry,
  showQrcode,
  start,
  unbind,
} from './phones.ts'
import { ConsentSheet } from './sheet.tsx'
import { type Texts, texts } from './texts.ts'

const ids = Object.keys(DEVICES) as DeviceId[]

/** The phones as tabs, and the screen of the one that is in the hand. */
export function PhoneFrame() {
  const text = texts()
  const id = deviceId.value
  const phone = phones.value[id]
  const isCovered = phone.sheet || phone.qrcode !== undefined
  const screen = useRef<HTMLDivElement>(null)
  const wasCovered = useRef(false)
  useLayoutEffect(() => {
    // What had the focus has gone with the sheet.
    if (wasCovered.current && !isCovered) screen.current?.focus()
    wasCovered.current = Boolean(isCovered)
  }, [isCovered])
  return (
    <section class="phones" aria-label={text.devices}>
      <div role="tablist" aria-label={text.devices} class="devices" onKeyDown={moveBetweenTabs}>
        {ids.map(each => (
          <button
            key={each}
            id={`tab-${each}`}
            type="button"
            role="tab"
            aria-selected={each === id}
            aria-controls="screen"
            tabIndex={each === id ? 0 : -1}
            onClick={() => choose(each)}
          >
            {text.device[each]}
          </button>
        ))}
      </div>
      <div
        id="screen"
        ref={screen}
        class="screen"
        role="tabpanel"
        tabIndex={-1}
        aria-labelledby={`tab-${id}`}
      >
        <div class="screen-content" inert={isCovered}>
          <div class="bar">
            <span>{text.miniProgram}</span>
          </div>
          {phone.session ? <Profile id={id} phone={phone} /> : <Welcome id={id} phone={phone} />}
        </div>
        <div class="toast" role="status">
          {phone.isBusy && <p class="busy">{text.busy}</p>}
          {phone.notice && !isCovered && <Told id={id} notice={phone.notice} isOpen={!!phone.pendingCode} />}
        </div>
        {phone.sheet && <ConsentSheet id={id} />}
        {phone.qrcode !== undefined && <Qrcode id={id} image={phone.qrcode} />}
      </div>
    </section>
  )
}

/** As WAI-ARIA's pattern for tabs wants it: the arrows move, and select. */
function moveBetweenTabs(event: KeyboardEvent) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (step === undefined) return
  const next = ids[(ids.indexOf(deviceId.value) + step + ids.length) % ids.length]!
  choose(next)
  document.getElementById(`tab-${next}`)?.focus()
}

interface Props {
  id: DeviceId
  phone: Phone
}

function Welcome({ id, phone }: Props) {
  const text = texts()
  const { id: person } = DEVICES[id]
  return (
    <div class="welcome">
      <span class="avatar nobody" aria-hidden="true" />
      <h2>
        {text.welcome}, {text.person[person]}
      </h2>
      <p>{text.welcomeText}</p>
      <button type="button" class="primary" disabled={phone.isBusy} onClick={() => start(id)}>
        {text.signIn}
      </button>
    </div>
  )
}

function Profile({ id, phone }: Props) {
  const text = texts()
  const { id: person } = DEVICES[id]
  const { user, isBusy } = phone
  const isBound = Boolean(user?.phone)
  return (
    <div class="profile">
      <div class="who">
        <span class={`avatar ${person}`} aria-hidden="true">
          {text.person[person][0]}
        </span>
        <div>
          <h2>{text.person[person]}</h2>
          <p class="id">{user?.id}</p>
        </div>
      </div>
      <dl class="number">
        <dt>{text.phone}</dt>
        <dd data-testid="number">{user?.phone ?? text.noPhone}</dd>
        {user?.phoneConfirmedAt && <dd class="when">{text.confirmed(clock(user.phoneConfirmedAt))}</dd>}
      </dl>
      <button
        type="button"
        class={isBound ? 'plain' : 'primary'}
        disabled={isBusy}
        onClick={() => askForPhone(id)}
      >
        {isBound ? text.rebindPhone : text.bindPhone}
      </button>
      {isBound && (
        <button type="button" class="plain" disabled={isBusy} onClick={() => unbind(id)}>
          {text.unbind}
        </button>
      )}
      <div class="more">
        <button type="button" class="row" disabled={isBusy} onClick={() => showQrcode(id)}>
          {text.qrcode}
        </button>
        <button type="button" class="row" disabled={isBusy} onClick={() => refresh(id)}>
          {text.refresh}
        </button>
        <button type="button" class="row" disabled={isBusy} onClick={() => leave(id, 'local')}>
          {text.signOut}
        </button>
        <button type="button" class="row" disabled={isBusy} onClick={() => leave(id, 'global')}>
          {text.signOutAll}
        </button>
      </div>
    </div>
  )
}

const clock = (time: string) => new Date(time).toLocaleTimeString()

function Told({ id, notice, isOpen }: { id: DeviceId; notice: Notice; isOpen: boolean }) {
  const text = texts()
  if (notice.kind !== 'failure') return <p class={`notice ${notice.kind}`}>{text[notice.kind]}</p>
  const { code, errorId } = notice.failure
  return (
    <div class="notice failure">
      <p>{messageOf(text, code)}</p>
      {errorId && <p class="id">{text.errorId(errorId)}</p>}
      <p class="code">{code}</p>
      {isOpen && (
        <button type="button" onClick={() => retry(id)}>
          {text.tryAgain}
        </button>
      )}
    </div>
  )
}

function messageOf({ failures }: Texts, code: string): string {
  if (code in failures) return failures[code as keyof typeof failures]
  const isSession = /^(bad_jwt|no_authorization|session_expired|refresh_token_.*)$/.test(code)
  return isSession ? failures.session_not_found : failures.other
}

function Qrcode({ id, image }: { id: DeviceId; image: string }) {
  const text = texts()
  const button = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => button.current?.focus(), [])
  return (
    <div class="sheet" role="dialog" aria-label={text.qrcode}>
      <img src={image} alt={text.qrcodeAlt} />
      <button ref={button} type="button" class="plain" onClick={() => hideQrcode(id)}>
        {text.close}
      </button>
    </div>
  )
}
