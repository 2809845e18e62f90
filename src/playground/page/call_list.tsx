import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { type Call, calls, isWatching } from './calls.ts'
import { settings } from './stored.ts'
import { texts } from './texts.ts'

type Step = Call['steps'][number]

/** Every request to the service with what it set in motion, the newest first. */
export function CallList() {
  const text = texts()
  return (
    <section class="panel calls" aria-labelledby="calls">
      <h2 id="calls">{text.calls}</h2>
      {!isWatching.value && <p class="hint">{text.connecting}</p>}
      {calls.value.length === 0 && <Suggestions />}
      <ol>
        {calls.value.map(call => (
          <li key={call.request}>
            <OneCall call={call} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function Suggestions() {
  const text = texts()
  return (
    <>
      <p class="hint">{text.callsEmpty}</p>
      {settings.value?.simulated && (
        <ol class="try">
          {text.suggestions.map(suggestion => (
            <li key={suggestion}>{suggestion}</li>
          ))}
        </ol>
      )}
    </>
  )
}

function OneCall({ call }: { call: Call }) {
  const text = texts()
  const { method, path, operation, ended, steps, sent, answer, failure, isLost } = call
  const isReplay = operation === 'wechatBindPhone' && ended && !steps.some(({ kind }) => kind === 'wechat')
  const length = Math.max(ended?.ms ?? 0, ...steps.map(step => step.at - call.at + (step.ended?.ms ?? 0)), 1)
  return (
    <article class="call">
      <header>
        <h3>{operation ?? text.otherClient}</h3>
        <code>
          {method} {path}
        </code>
        {failure && <span class="status code bad">{failure}</span>}
        <Status status={ended?.status} />
        <span class="ms">{ended ? text.ms(ended.ms) : text.pending}</span>
      </header>
      {sent !== undefined && (
        <Part kind="http" label={text.sent} summary={brief(sent)}>
          <Code value={sent} />
        </Part>
      )}
      {steps.map(step => (
        <OneStep key={step.id} step={step} from={(step.at - call.at) / length} length={length} />
      ))}
      {isReplay && <p class="replay">{text.notAsked}</p>}
      {answer !== undefined && (
        <Part kind="http" label={text.answered} summary={brief(answer)}>
          <Code value={answer} />
        </Part>
      )}
      {isLost && <p class="lost">{text.lostMark}</p>}
    </article>
  )
}

function Status({ status }: { status: number | undefined }) {
  if (status === undefined) return null
  return <span class={status < 400 ? 'status good' : 'status bad'}>{status}</span>
}

function OneStep({ step, from, length }: { step: Step; from: number; length: number }) {
  const text = texts()
  const { ended } = step
  const time = (
    <>
      <Bar from={from} share={(ended?.ms ?? length) / length} />
      <span class="ms">{ended ? text.ms(ended.ms) : text.pending}</span>
    </>
  )
  if (step.kind === 'wechat') {
    const result = step.ended && (step.ended.error ?? brief(step.ended.answer))
    return (
      <Part
        kind="wechat"
        label="WeChat"
        summary={`${step.method} ${step.path.split('?')[0]}`}
        time={time}
        result={result}
      >
        <Code value={`${step.method} ${step.path}`} />
        {step.body !== undefined && <Code value={step.body} />}
        {step.ended && <Code value={step.ended.error ?? step.ended.answer} />}
      </Part>
    )
  }
  const { ended: done } = step
  const result = done && (done.error ?? (done.rows === 0 ? text.noRow : brief(done.first)))
  return (
    <Part kind="sql" label="SQL" summary={step.name ?? step.text.split('\n')[0]!} time={time} result={result}>
      <h4>{text.statement}</h4>
      <Code value={step.text} />
      {step.values.length > 0 && (
        <>
          <h4>{text.values}</h4>
          <ol class="values">
            {step.values.map((value, index) => (
              <li key={index}>
                <code>{value}</code>
              </li>
            ))}
          </ol>
        </>
      )}
      {done && (
        <>
          <h4>{done.error === undefined ? text.firstRow : text.error}</h4>
          <Code value={done.error ?? done.first ?? text.noRow} />
        </>
      )}
      {step.name !== undefined && step.text.includes(`auth_private.${step.name}(`) && (
        <Definition name={step.name} />
      )}
    </Part>
  )
}

/** When a step ran, as a part of the whole request. */
function Bar({ from, share }: { from: number; share: number }) {
  const left = Math.min(Math.max(from, 0), 0.98)
  return (
    <span class="track" aria-hidden="true">
      <span
        style={{ left: `${left * 100}%`, width: `${Math.min(Math.max(share, 0.02), 1 - left) * 100}%` }}
      />
    </span>
  )
}

interface PartProps {
  kind: 'http' | 'sql' | 'wechat'
  label: string
  summary: string
  time?: ComponentChildren
  result?: string | undefined
  children: ComponentChildren
}

function Part({ kind, label, summary, time, result, children }: PartProps) {
  return (
    <details class={`part ${kind}`}>
      <summary>
        <span class="label">{label}</span>
        <code class="what">{summary}</code>
        {time}
        {result !== undefined && <code class="result">{result}</code>}
      </summary>
      <div class="inside">{children}</div>
    </details>
  )
}

/** The function that the statement calls, as it is written. */
function Definition({ name }: { name: string }) {
  const text = texts()
  const [definition, setDefinition] = useState<string>()
  const load = async () => {
    const response = await fetch(`/playground/functions/${name}`)
    if (response.ok) setDefinition(await response.text())
  }
  if (definition !== undefined) return <Code value={definition} />
  return (
    <button type="button" class="link" onClick={() => void load()}>
      {text.source}
    </button>
  )
}

function Code({ value }: { value: unknown }) {
  const shown = typeof value === 'string' ? value : JSON.stringify(value, shorter, 2)
  // A box that scrolls has to be reached by keyboard, too.
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
    <pre tabIndex={0}>
      <code>{shown}</code>
    </pre>
  )
}

/** One line, without what is null. */
const brief = (value: unknown) => {
  const present = (name: string, member: unknown) => (member === null ? undefined : shorter(name, member))
  const text = typeof value === 'string' ? value : JSON.stringify(value, present)
  return text.length > 160 ? `${text.slice(0, 159)}…` : text
}

/** Tokens and images are long, and say nothing to a reader. */
const shorter = (_name: string, value: unknown) =>
  typeof value === 'string' && value.length > 120 ? `${value.slice(0, 40)}…` : value
