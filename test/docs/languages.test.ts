import {
  blocksOf,
  documents,
  headingsOf,
  linksOf,
  read,
  tablesOf,
  withoutBlocks,
} from '../support/markdown.ts'

// What is in English and in Chinese says the same in both, as far as its structure shows.

const chinese = documents.filter(name => name.endsWith('.zh-CN.md'))
const english = (name: string) => name.replace('.zh-CN.md', '.md')

test('whoever reads Chinese has these pages', () => {
  const tutorials = documents.filter(name => /^docs\/tutorials\/[a-z_]+\.md$/.test(name))
  expect(tutorials.length).toBeGreaterThan(2)
  const wanted = [
    'README.md',
    'docs/README.md',
    'docs/errors.md',
    'docs/reference/variables.md',
    ...tutorials,
  ]
  expect(wanted.filter(name => !chinese.map(english).includes(name))).toEqual([])
})

/** Comments are translated, and the spaces before them with them. */
const withoutComments = (code: string) =>
  code
    .replaceAll(/\/\*\*.*?\*\//gs, '')
    .split('\n')
    .map(line => line.replace(/(#|\/\/) .*$/, '').trimEnd())
    .join('\n')

const shapeOf = (name: string) => {
  const text = read(name)
  return {
    headings: headingsOf(text).map(({ level }) => level),
    blocks: blocksOf(text).map(({ language, text }) => [language, withoutComments(text)]),
    tables: tablesOf(text),
    links: linksOf(text)
      .map(({ path }) => path.replace('.zh-CN.', '.'))
      .sort(),
  }
}

test.each(chinese)('%s has the structure of the English page', name => {
  expect(shapeOf(name)).toEqual(shapeOf(english(name)))
})

test.each(chinese)('%s is Chinese', name => {
  const paragraphs = withoutBlocks(read(name))
    .split('\n\n')
    .filter(paragraph => paragraph.length > 40)
  expect(paragraphs.filter(paragraph => !/\p{Script=Han}/u.test(paragraph))).toEqual([])
})

test.each([
  ['README.md', 'browser', 'texts.ts'],
  ['README.zh-CN.md', '浏览器', 'texts_zh.ts'],
])('the tour of %s presses what the playground has', (name, place, texts) => {
  const section = read(name)
    .split(/^## /m)
    .find(part => part.split('\n')[0]!.includes(place))!
  const pressed = [...section.matchAll(/\*\*([^*]+)\*\*/g)].map(([, label]) => label!)
  expect(pressed.length).toBeGreaterThan(9)
  const entrances = ['GraphQL', 'REST']
  const shown = read(`src/playground/page/${texts}`)
  expect(pressed.filter(label => !entrances.includes(label) && !shown.includes(`'${label}'`))).toEqual([])
})
