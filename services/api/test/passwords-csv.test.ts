import t from 'tap'
import { passwordsCsv } from '../src/passwords-csv.ts'
import { siteUrl } from '../src/site-url.ts'

t.test('a site that is a host has an absolute URL', async (t) => {
  for (const [site, url] of [
    ['mail.example', 'https://mail.example'],
    [' mail.example ', 'https://mail.example'],
    ['mail.example:8443/log-in?next=/', 'https://mail.example:8443/log-in?next=/'],
    ['bücher.example', 'https://bücher.example'],
    ['192.168.0.1', 'https://192.168.0.1'],
    ['nas:5000', 'https://nas:5000'],
    ['[2001:db8::1]', 'https://[2001:db8::1]'],
    ['localhost', 'http://localhost'],
    ['localhost:8080', 'http://localhost:8080'],
    ['app.localhost', 'http://app.localhost'],
    ['127.0.0.1:3000/x', 'http://127.0.0.1:3000/x'],
    ['[::1]:3000', 'http://[::1]:3000'],
  ] as const) {
    t.equal(siteUrl(site), url)
    t.ok(URL.canParse(url))
  }
})

t.test('keeps a site that has a scheme unchanged', async (t) => {
  for (const site of [
    'https://a.example/log-in',
    'HTTP://a.example',
    'android://hash@org.example.app/',
    'ftp://files.example',
  ])
    t.equal(siteUrl(site), site)
})

t.test('a site that is no host has no URL', async (t) => {
  for (const site of [
    ...['My bank', 'Bank', 'Bank.', 'Acme Inc.', '=1+1', '?', ''],
    ...['../../x\\', '//a.example', '\\\\server.example\\share', 'https://', 'https://a b'],
    ...['ada@mail.example', 'mailto:ada@mail.example', 'javascript:alert(1)', 'data:text/html,x'],
  ])
    t.equal(siteUrl(site), '', site)
})

t.test('the passwords CSV has the columns of Chrome, and every cell as it was saved', async (t) => {
  const saved = (site: string, password: string) => ({
    ...{ id: '1', createdAt: new Date(), site, username: 'x', password },
  })
  t.strictSame(
    passwordsCsv([saved('mail.example', '=y,"z'), saved('My bank', ' föß\n')]).split('\r\n'),
    [
      'name,url,username,password,note',
      'mail.example,https://mail.example,x,"=y,""z",',
      'My bank,,x," föß\n",',
      '',
    ],
    'without a byte-order mark',
  )
})
