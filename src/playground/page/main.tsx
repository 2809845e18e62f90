import { render } from 'preact'
import { App } from './app.tsx'
import { watch } from './calls.ts'
import { wake } from './phones.ts'
import { loadSettings, settings, watchStored } from './stored.ts'
import { recall } from './switches.ts'
import './style.css'
import './phone.css'

watch()
render(<App />, document.getElementById('app')!)
await loadSettings()
if (settings.value?.simulated) {
  await recall()
  await wake()
}
watchStored()
