const CONTEXT = 2
const LONGEST = 12

/** Where two texts part first, as a diff shows it: what is there (-), what should be (+), and the lines around. */
export function firstDifference(present: string, wanted: string): string {
  const [old, fresh] = [present.split('\n'), wanted.split('\n')]
  let start = 0
  while (start < old.length && old[start] === fresh[start]) start += 1
  const [oldEnd, freshEnd] = meeting(old, fresh, start)
  return [
    `@@ line ${start + 1} @@`,
    ...marked(' ', old.slice(Math.max(0, start - CONTEXT), start)),
    ...marked('-', old.slice(start, oldEnd)),
    ...marked('+', fresh.slice(start, freshEnd)),
    ...marked(' ', old.slice(oldEnd, oldEnd + CONTEXT)),
  ].join('\n')
}

/** Where they meet again, after the fewest lines of both; their ends where they do not. */
function meeting(old: string[], fresh: string[], start: number): [number, number] {
  for (let lines = 1; lines <= old.length + fresh.length - 2 * start; lines += 1) {
    for (let ofOld = 0; ofOld <= lines; ofOld += 1) {
      const [i, j] = [start + ofOld, start + lines - ofOld]
      if (i < old.length && j < fresh.length && meet(old, i, fresh, j)) return [i, j]
    }
  }
  return [old.length, fresh.length]
}

/** Three equal lines, or all that are left, so that a lone bracket is not taken for the place. */
const meet = (old: string[], i: number, fresh: string[], j: number) =>
  [0, 1, 2].every(k => old[i + k] === fresh[j + k])

const marked = (sign: string, lines: string[]) => [
  ...lines.slice(0, LONGEST).map(line => sign + line),
  ...(lines.length > LONGEST ? [`${sign}… ${lines.length - LONGEST} more lines`] : []),
]
