import t from 'tap'
import { csvCell } from '../src/collect/csv-cell.ts'

t.test('adds an apostrophe to text that a spreadsheet could read as a formula', async (t) => {
  for (const start of ['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
    t.equal(csvCell(`${start}1`), `'${start}1`)
    for (const blank of [' ', '\u00a0', '\u3000', '\ufeff', '\u200b']) {
      t.match(csvCell(`${blank}${start}1`), /^"?'/, `after U+${blank.codePointAt(0)?.toString(16)}`)
    }
  }
  t.equal(csvCell('\tx'), '"\'\tx"')
  t.equal(csvCell('\rx'), '"\'\rx"')
  t.equal(csvCell('\n =1'), '"\'\n =1"')
})

t.test('adds one after a separator of another program', async (t) => {
  t.equal(csvCell('a;=1'), `"a;'=1"`)
  t.equal(csvCell('a\n@x'), `"a\n'@x"`)
  t.equal(csvCell('a\t-1'), `"a\t'-1"`)
})

t.test('keeps all other text unchanged', async (t) => {
  for (const text of ['', 'a=b', '1-2', 'ada@example.com', "o'hara", '../../x', 'Zoë 🙂']) {
    t.equal(csvCell(text), text)
  }
})

t.test('quotes text that would break a row, as RFC 4180 says', async (t) => {
  t.equal(csvCell('a,b'), '"a,b"')
  t.equal(csvCell('a"b'), '"a""b"')
  t.equal(csvCell('a\r\nb'), '"a\r\nb"')
  t.equal(csvCell(' a '), '" a "')
})
