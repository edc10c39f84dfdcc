import { hostname } from 'node:os'
import t from 'tap'
import { ehloName, isPublicEhloName } from '../src/index.ts'

const relay = 'smtp://ada:secret@relay.example:587'

t.test('the EHLO name is the host of PUBLIC_URL', async (t) => {
  for (const [publicUrl, name] of [
    ['https://accounts.example.org', 'accounts.example.org'],
    ['https://accounts.example.org:8443', 'accounts.example.org'],
    ['https://bücher.example', 'xn--bcher-kva.example'],
    ['http://lethe:3000', 'lethe'],
    ['http://192.0.2.1:3000', '[192.0.2.1]'],
    ['http://[2001:db8::1]:3000', '[IPv6:2001:db8::1]'],
  ] as const)
    t.equal(ehloName(relay, publicUrl), name)
})

t.test('uses the name of the machine instead of a loopback host', async (t) => {
  for (const host of ['localhost:3000', 'lethe.localhost', '127.0.0.1', '127.1.2.3', '[::1]'])
    t.equal(ehloName(relay, `http://${host}`), hostname(), host)
})

t.test('?name= of SMTP_URL takes precedence', async (t) => {
  t.equal(
    ehloName(`${relay}?pool=true&name=mx.example.org`, 'https://accounts.example.org'),
    'mx.example.org',
  )
  t.equal(ehloName(`${relay}?name=`, 'https://accounts.example.org'), 'accounts.example.org')
})

t.test('a name without a dot and a loopback address are not public', async (t) => {
  for (const name of ['accounts.example.org', '[192.0.2.1]', '[IPv6:2001:db8::1]'])
    t.equal(isPublicEhloName(name), true, name)
  for (const name of ['localhost', 'vm', '', 'vm.', '[127.0.0.1]', '[IPv6:::1]'])
    t.equal(isPublicEhloName(name), false, name)
})
