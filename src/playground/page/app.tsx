import { CallList } from './call_list.tsx'
import { PhoneFrame } from './phone.tsx'
import { entrance, language, theme } from './preferences.ts'
import { settings } from './stored.ts'
import { StoredRows } from './stored_rows.tsx'
import { texts } from './texts.ts'
import { Troubles } from './troubles.tsx'

export function App() {
  const text = texts()
  const isSimulated = settings.value?.simulated ?? true
  return (
    <>
      <Header />
      <main class={isSimulated ? 'columns' : 'columns without-phone'}>
        {isSimulated ? (
          <div class="left">
            <PhoneFrame />
            <Troubles />
          </div>
        ) : (
          <p class="note">{text.notSimulated}</p>
        )}
        <CallList />
        <StoredRows />
      </main>
    </>
  )
}

function Header() {
  const text = texts()
  const otherTheme = theme.value === 'dark' ? 'light' : 'dark'
  return (
    <header class="top">
      <img src="/playground/icon.svg" alt="" width="36" height="36" />
      <div class="title">
        <h1>postgraphile-wechat</h1>
        <p>{text.tagline}</p>
      </div>
      <nav class="tools">
        <fieldset class="entrance">
          <legend>{text.entrance}</legend>
          {(['GraphQL', 'REST'] as const).map(name => (
            <label key={name}>
              <input
                type="radio"
                name="entrance"
                checked={entrance.value === name}
                onChange={() => {
                  entrance.value = name
                }}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        {settings.value?.graphiql && (
          <a class="tool" href="/graphiql">
            {text.graphiql}
          </a>
        )}
        <button
          type="button"
          class="tool"
          onClick={() => {
            theme.value = otherTheme
          }}
        >
          {text[otherTheme]}
        </button>
        <button
          type="button"
          class="tool"
          lang={language.value === 'zh' ? 'en' : 'zh-CN'}
          onClick={() => {
            language.value = language.value === 'zh' ? 'en' : 'zh'
          }}
        >
          {text.toZh}
        </button>
      </nav>
      <p class="intro">{text.intro}</p>
    </header>
  )
}
