import { firstDifference } from '../../scripts/first_difference.ts'

const lines = (...numbers: number[]) => numbers.map(number => `line ${number}\n`).join('')
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

test.each([
  [
    'a line that is new',
    lines(1, 2, 3, 5, 6, 7),
    lines(1, 2, 3, 4, 5, 6, 7),
    ['@@ line 4 @@', ' line 2', ' line 3', '+line 4', ' line 5', ' line 6'],
  ],
  [
    'a line that is gone',
    lines(1, 2, 3, 4, 5),
    lines(1, 3, 4, 5),
    ['@@ line 2 @@', ' line 1', '-line 2', ' line 3', ' line 4'],
  ],
  [
    'a line that is another',
    lines(1, 2, 3, 4, 5),
    lines(1, 9, 3, 4, 5),
    ['@@ line 2 @@', ' line 1', '-line 2', '+line 9', ' line 3', ' line 4'],
  ],
  ['the end', lines(1, 2), lines(1, 2, 3), ['@@ line 3 @@', ' line 1', ' line 2', '+line 3', ' ']],
  ['a file that is not there', '', lines(1), ['@@ line 1 @@', '+line 1', ' ']],
  [
    'much',
    lines(1),
    lines(...upTo(30).map(number => number + 1)),
    ['@@ line 1 @@', '-line 1', ...upTo(12).map(number => `+line ${number + 1}`), '+… 18 more lines', ' '],
  ],
])('%s', (_what, present, wanted, expected) => {
  expect(firstDifference(present, wanted).split('\n')).toEqual(expected)
})
