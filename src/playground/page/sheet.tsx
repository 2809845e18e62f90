import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { allow, type DeviceId, decline, numbersOf } from './phones.ts'
import { isOn } from './switches.ts'
import { texts } from './texts.ts'

/** What WeChat shows over the mini program after a tap on the phone button. */
export function ConsentSheet({ id }: { id: DeviceId }) {
  const text = texts()
  const numbers = numbersOf(id)
  const [number, setNumber] = useState(numbers[0]!)
  const first = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => first.current?.focus(), [])
  return (
    <div
      class="sheet"
      role="dialog"
      aria-labelledby="sheet-title"
      aria-describedby="sheet-text"
      onKeyDown={event => {
        if (event.key === 'Escape') decline(id)
      }}
    >
      <h2 id="sheet-title">
        {text.miniProgram} {text.sheet}
      </h2>
      <p id="sheet-text">{text.sheetText}</p>
      <fieldset class="numbers">
        <legend>{text.phone}</legend>
        {numbers.map(each => (
          <label key={each}>
            <input type="radio" name="number" checked={each === number} onChange={() => setNumber(each)} />
            <span>{each}</span>
            {isOn('taken') && <small>{text.taken}</small>}
          </label>
        ))}
      </fieldset>
      <div class="answers">
        <button type="button" class="plain" onClick={() => decline(id)}>
          {text.deny}
        </button>
        <button ref={first} type="button" class="primary" onClick={() => allow(id, number)}>
          {text.allow}
        </button>
      </div>
    </div>
  )
}
