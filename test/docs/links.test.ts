import { statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { anchorsOf, documents, linksOf, read, root } from '../support/markdown.ts'

// Links between pages lead somewhere, to the heading that they name; and the index leads to every page.

const isThere = (path: string) => statSync(join(root, path), { throwIfNoEntry: false }) !== undefined

test.each(documents)('%s links to files and headings that exist', name => {
  const wrong = linksOf(read(name)).filter(({ path, anchor }) => {
    const target = path === '' ? name : normalize(join(dirname(name), decodeURI(path)))
    if (!isThere(target)) return true
    return anchor !== undefined && target.endsWith('.md') && !anchorsOf(read(target)).has(decodeURI(anchor))
  })
  expect(wrong).toEqual([])
})

test('anchors are those of GitHub', () => {
  const text =
    '# `code`, and [a link](x.md)\n## user.signed_in\n## 会话、账号\n## Twice\n## Twice\n```sh\n# none\n```\n'
  expect([...anchorsOf(text)]).toEqual(['code-and-a-link', 'usersigned_in', '会话账号', 'twice', 'twice-1'])
})

test.each(['docs/README.md', 'docs/README.zh-CN.md'])('%s leads to every page', index => {
  const language = index.includes('zh-CN') ? 'zh-CN' : 'en'
  const linked = linksOf(read(index)).map(({ path }) => normalize(join('docs', path)))
  const twin = (name: string) => name.replace(/\.md$/, '.zh-CN.md')
  const wanted = documents
    .filter(name => name.startsWith('docs/') && !name.includes('zh-CN') && name !== 'docs/README.md')
    .map(name => (language === 'zh-CN' && documents.includes(twin(name)) ? twin(name) : name))
  expect(wanted.filter(name => !linked.includes(name))).toEqual([])
})
