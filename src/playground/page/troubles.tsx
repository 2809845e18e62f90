import { isOn, TROUBLES, type Trouble, toggle } from './switches.ts'
import { texts } from './texts.ts'

const names = Object.keys(TROUBLES) as Trouble[]

export function Troubles() {
  const text = texts()
  return (
    <section class="panel troubles" aria-labelledby="troubles">
      <h2 id="troubles">{text.troubles}</h2>
      <p class="hint">{text.troublesText}</p>
      <ul>
        {names.map(name => {
          const [title, effect] = text.trouble[name] as [string, string]
          return (
            <li key={name}>
              <label class="switch">
                <input
                  type="checkbox"
                  role="switch"
                  checked={isOn(name)}
                  aria-checked={isOn(name)}
                  aria-describedby={`trouble-${name}`}
                  onChange={() => void toggle(name)}
                />
                <span>{title}</span>
              </label>
              <p id={`trouble-${name}`} class="hint">
                {effect}
              </p>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
