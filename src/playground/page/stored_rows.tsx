import { useEffect, useRef } from 'preact/hooks'
import { settings, stored } from './stored.ts'
import { texts } from './texts.ts'

type Row = Record<string, unknown>

/** The rows of the phone's user, as they are in the tables. */
export function StoredRows() {
  const text = texts()
  const rows = stored.value
  return (
    <section class="panel stored" aria-labelledby="stored">
      <h2 id="stored">{text.stored}</h2>
      {settings.value?.stored === false && <p class="hint">{text.storedHidden}</p>}
      {settings.value?.stored !== false && !rows?.user && <p class="hint">{text.storedEmpty}</p>}
      {rows?.user && (
        <>
          <UserRow row={rows.user} />
          <p class="sessions">
            <code>auth.sessions</code> {text.sessionCount(rows.sessions.length)}
          </p>
          <h3>{text.audit}</h3>
          <Entries
            rows={rows.audit}
            show={({ action, actor, details }) => ({ name: action, by: actor, members: details })}
          />
          <h3>{text.events}</h3>
          <Entries
            rows={rows.events}
            show={({ type, data, relayed_at }) => ({
              ...{ name: type, by: relayed_at ? text.relayed : text.waiting, members: data },
            })}
          />
        </>
      )}
    </section>
  )
}

/** What has just changed is marked. */
function UserRow({ row }: { row: Row }) {
  const text = texts()
  const before = useRef<Row>(row)
  const isSame = before.current.id === row.id
  const changed = (name: string) =>
    isSame && JSON.stringify(before.current[name]) !== JSON.stringify(row[name])
  useEffect(() => {
    before.current = row
  }, [row])
  return (
    <table class="user-row">
      <caption>{text.userRow}</caption>
      <thead>
        <tr>
          <th scope="col">{text.column}</th>
          <th scope="col">{text.value}</th>
        </tr>
      </thead>
      <tbody>
        {Object.entries(row).map(([name, value]) => (
          <tr key={`${name} ${JSON.stringify(value)}`} class={changed(name) ? 'changed' : undefined}>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>
              <Value value={value} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Value({ value }: { value: unknown }) {
  if (value === null) return <span class="null">null</span>
  return <code>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</code>
}

interface EntriesProps {
  rows: Row[]
  show: (row: Row) => { name: unknown; by: unknown; members: unknown }
}

function Entries({ rows, show }: EntriesProps) {
  return (
    <ol class="entries">
      {rows.map(row => {
        const { name, by, members } = show(row)
        const time = new Date(String(row.created_at))
        return (
          <li key={row.id}>
            <time dateTime={time.toISOString()}>{time.toLocaleTimeString()}</time>
            <code class="name">{String(name)}</code>
            <span class="by">{String(by)}</span>
            <Members of={members as Row} />
          </li>
        )
      })}
    </ol>
  )
}

function Members({ of }: { of: Row }) {
  const members = Object.entries(of)
  if (members.length === 0) return null
  return (
    <dl class="members">
      {members.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd>
        </div>
      ))}
    </dl>
  )
}
