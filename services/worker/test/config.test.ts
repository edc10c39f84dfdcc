import t from 'tap'
import { readConfig } from '../src/config.ts'

const minimal = {
  DATABASE_URL: 'postgres://localhost/lethe',
  SMTP_URL: 'smtp://localhost:25',
  SECRET_KEY: 'A'.repeat(43),
}

t.test('three variables are required, the others have defaults', async (t) => {
  t.match(readConfig(minimal), {
    host: '127.0.0.1',
    port: 3001,
    redisUrl: undefined,
    mailFrom: { name: 'Lethe', address: 'no-reply@localhost' },
    publicUrl: 'http://localhost:3000',
    exportTtl: { iso: 'P7D' },
    breakerLimits: { floor: 20, share: 0.01 },
    rateLimits: true,
    logLevel: 'info',
  })
})

t.test('links point to the API by default', async (t) => {
  t.equal(readConfig({ ...minimal, PORT: '8080' }).publicUrl, 'http://localhost:8080')
  const PUBLIC_URL = 'https://Lethe.example/'
  t.equal(readConfig({ ...minimal, PUBLIC_URL }).publicUrl, 'https://lethe.example')
})

t.test('the breaker limits come from ERASE_AT_ONCE_FLOOR and ERASE_AT_ONCE_SHARE', async (t) => {
  const set = { ERASE_AT_ONCE_FLOOR: '25', ERASE_AT_ONCE_SHARE: '0.5' }
  t.strictSame(readConfig({ ...minimal, ...set }).breakerLimits, { floor: 25, share: 0.5 })
})

t.test('an error names the invalid variable and never shows a secret', async (t) => {
  for (const [name, value] of [
    ['DATABASE_URL', 'mysql://user:hunter2@localhost/lethe'],
    ['DATABASE_URL', ''],
    ['REDIS_URL', 'http://user:hunter2@localhost'],
    ['REDIS_URL', 'redis+sentinel://:hunter2@localhost:26379'],
    ['SMTP_URL', 'localhost:25'],
    ['SMTP_URL', ''],
    ['SECRET_KEY', 'hunter2'],
    ['SECRET_KEY', ''],
    ['WORKER_PORT', '80.5'],
    ['PUBLIC_URL', 'https://user:hunter2@lethe.example'],
    ['PUBLIC_URL', 'https://lethe.example/app'],
    ['EXPORT_TTL', '7'],
    ['EXPORT_DIR', 's3://user:hunter2@exports'],
    ['ERASE_AT_ONCE_FLOOR', '1e3'],
    ['ERASE_AT_ONCE_SHARE', '10%'],
    ['RATE_LIMITS', 'maybe'],
    ['LOG_LEVEL', 'loud'],
    ['MAIL_FROM', 'Lethe'],
    ['MAIL_FROM', 'a@lethe.example, b@lethe.example'],
    ['MAIL_FROM', 'Lethe <a@lethe.example>\r\nBcc: eve@example.com'],
  ] as const) {
    const message = messageOf(() => readConfig({ ...minimal, [name]: value }))
    t.ok(message.startsWith(`${name} `), message)
    t.notMatch(message, /hunter2|[\r\n]/)
  }
})

t.test('the sender may have any name', async (t) => {
  for (const [text, name, address] of [
    ['mail@lethe.example', '', 'mail@lethe.example'],
    ['"Lethe, Inc." <mail@lethe.example>', 'Lethe, Inc.', 'mail@lethe.example'],
  ] as const)
    t.strictSame(readConfig({ ...minimal, MAIL_FROM: text }).mailFrom, { name, address })
})

function messageOf(run: () => unknown): string {
  try {
    run()
    return 'nothing was thrown'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
