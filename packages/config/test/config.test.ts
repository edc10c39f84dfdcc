import t from 'tap'
import {
  ConfigError,
  duration,
  oneOf,
  optional,
  port,
  required,
  requiredUrl,
  secretKey,
  sender,
  share,
  splitList,
  url,
  wholeNumber,
} from '../src/index.ts'

const key = Buffer.alloc(32, 7).toString('base64url')

t.test('durations are days, hours, minutes and seconds, from zero to 400 days', (t) => {
  for (const [iso, seconds] of [
    ['P27D', 27 * 86_400],
    ['P0D', 0],
    ['PT0S', 0],
    ['PT10S', 10],
    ['PT15M', 900],
    ['PT1H30M', 5_400],
    ['P1DT2H', 93_600],
    ['P400D', 400 * 86_400],
  ] as const)
    t.strictSame(duration({ D: iso }, 'D', 'P1D'), { iso, seconds }, iso)
  t.end()
})

t.test(
  'rejects a duration that PostgreSQL would read differently, or that has no fixed length',
  (t) => {
    for (const value of [
      ...['27', '-1', 'P-1D', '-P1D', 'P1M', 'P1Y', 'P1W', 'P', 'PT', 'P1DT', 'T1H', 'PT1D'],
      ...['P401D', 'P400DT1S', 'P9999999999D', 'P1.5D', 'p1d', ' P1D', 'P1D ', '1 day', 'P1D\n'],
    ])
      t.throws(() => duration({ D: value }, 'D', 'P1D'), ConfigError, value)
    t.end()
  },
)

t.test('an empty value counts as absent', (t) => {
  t.equal(optional({ A: '' }, 'A'), undefined)
  t.equal(url({ A: '' }, 'A', ['http:']), undefined)
  t.equal(port({ A: '' }, 'A', 3000), 3000)
  t.equal(oneOf({ A: '' }, 'A', ['on', 'off'], 'on'), 'on')
  t.equal(wholeNumber({ A: '' }, 'A', 1000), 1000)
  t.equal(share({ A: '' }, 'A', 0.1), 0.1)
  t.equal(duration({ A: '' }, 'A', 'P1D').iso, 'P1D')
  t.strictSame(splitList({ A: '' }, 'A'), [])
  t.throws(() => required({ A: '' }, 'A', 'a name'), { message: 'A is not set; it takes a name' })
  t.end()
})

t.test('returns valid values', (t) => {
  t.equal(port({ A: '8080' }, 'A', 3000), 8080)
  t.equal(oneOf({ A: 'off' }, 'A', ['on', 'off'], 'on'), 'off')
  t.equal(wholeNumber({ A: '0' }, 'A', 1), 0)
  t.equal(wholeNumber({ A: '1000000000' }, 'A', 1), 1_000_000_000)
  for (const [text, value] of [
    ['0', 0],
    ['0.25', 0.25],
    ['1', 1],
    ['1.0', 1],
  ] as const)
    t.equal(share({ A: text }, 'A', 0.5), value)
  t.strictSame(splitList({ A: ' a, b,,c ' }, 'A'), ['a', 'b', 'c'])
  t.equal(
    requiredUrl({ A: 'postgres:///db?host=/run' }, 'A', ['postgres:']),
    'postgres:///db?host=/run',
  )
  t.strictSame(secretKey({ A: key }, 'A'), Buffer.alloc(32, 7))
  t.strictSame(secretKey({ A: `${key}=` }, 'A'), Buffer.alloc(32, 7))
  t.end()
})

t.test('a number has only digits, and a share is between 0 and 1', (t) => {
  for (const value of ['-1', '1e3', '1_000', '1000.0', ' 1', '0x10', '1000000001', 'many'])
    t.throws(() => wholeNumber({ A: value }, 'A', 1), ConfigError, value)
  for (const value of ['-0.1', '1.1', '10%', '.5', '0.', '1e-1', '0,1', 'all', '0.0000001'])
    t.throws(() => share({ A: value }, 'A', 0.1), ConfigError, value)
  t.end()
})

t.test('an error is one line with the name, the problem and the valid values', (t) => {
  for (const [read, message] of [
    [() => port({ A: '80a' }, 'A', 1), 'A is "80a"; it takes a port number from 0 to 65535'],
    [() => port({ A: '65536' }, 'A', 1), 'A is "65536"; it takes a port number from 0 to 65535'],
    [
      () => wholeNumber({ A: '1e3' }, 'A', 1),
      'A is "1e3"; it takes a whole number from 0 to 1000000000',
    ],
    [() => share({ A: '10%' }, 'A', 0), 'A is "10%"; it takes a share from 0 to 1, such as 0.1'],
    [
      () => oneOf({ A: 'no\nway' }, 'A', ['on', 'off'], 'on'),
      'A is "no\\nway"; it takes one of on, off',
    ],
    [
      () => url({ A: 'ftp://x/' }, 'A', ['http:']),
      'A begins with "ftp:"; it takes a URL that begins with http://',
    ],
    [
      () => url({ A: 'localhost:3000' }, 'A', ['http:']),
      'A is not a URL; it takes a URL that begins with http://',
    ],
  ] as const)
    t.throws(read, { name: 'ConfigError', message })
  t.end()
})

t.test('no message contains a secret', (t) => {
  const protocols = ['postgres:']
  for (const read of [
    () => url({ A: 'mysql://ada:hunter2@db/x?password=hunter2' }, 'A', protocols),
    () => url({ A: 'ada:hunter2@db' }, 'A', protocols),
    () => url({ A: 'postgres://ada:hunter2@db:port/x' }, 'A', protocols),
    () => url({ A: 'postgres://ada:hunter2 @db/x' }, 'A', protocols),
    () => secretKey({ A: 'hunter2' }, 'A'),
    () => secretKey({ A: `hunter2 ${key}` }, 'A'),
    () => secretKey({ A: `hunter2+/${key}` }, 'A'),
    () => sender({ A: 'hunter2@a.example, b@a.example' }, 'A', ''),
  ]) {
    let message = ''
    try {
      read()
    } catch (error) {
      message = String(error)
    }
    t.match(message, /^ConfigError: A .*; it takes /)
    t.notMatch(message, /hunter2/)
  }
  t.end()
})
