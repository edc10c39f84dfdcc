import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { pages } from '../src/pages/index.ts'
import { problemTypes } from '../src/problem-types.ts'

const paths = ['/deletion/cancel', '/deletion/status', '/export']

t.test('a page is the same for every request', async (t) => {
  const app = await pagesAlone(t)
  for (const url of paths) {
    const plain = await app.inject(url)
    const other = await app.inject({
      url: `${url}?token=<script>`,
      headers: { cookie: 'neptun-session=1', 'accept-language': 'de', 'user-agent': 'another' },
    })
    t.equal(plain.statusCode, 200)
    t.equal(plain.headers['content-type'], 'text/html; charset=utf-8')
    t.equal(other.body, plain.body)
    t.equal(plain.headers['set-cookie'], undefined)
    t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url })).statusCode, 404, 'it takes nothing')
  }
})

t.test('the headers of a page allow only our own scripts and styles', async (t) => {
  const app = await pagesAlone(t)
  for (const url of [...paths, '/problems/not-found']) {
    const { headers } = await app.inject(url)
    t.strictSame(String(headers['content-security-policy']).split('; ').sort(), [
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "img-src 'self'",
      "script-src 'self'",
      "style-src 'self'",
    ])
    // With `no-referrer` a form is sent without an origin, and the cross-site check would reject it.
    const hasForm = url === '/deletion/cancel'
    t.equal(headers['referrer-policy'], hasForm ? 'same-origin' : 'no-referrer')
    t.equal(headers['cache-control'], 'no-store')
  }
})

t.test('a page has no inline code and names no other origin', async (t) => {
  const app = await pagesAlone(t)
  for (const url of [...paths, '/problems/not-found']) {
    const { body } = await app.inject(url)
    t.notMatch(body, /<style|\sstyle=|\son\w+=|javascript:/i)
    t.notMatch(body, /<script[^>]*>[^<]/, 'no script with a text')
    t.notMatch(body, /\w+:\/\//)
    t.equal(body.match(/<html lang="en">/g)?.length, 1)
  }
})

t.test(
  'what a page refers to is there, and kept for a year under a name that is its hash',
  async (t) => {
    const app = await pagesAlone(t)
    const seen = new Set<string>()
    for (const url of paths) {
      const { body } = await app.inject(url)
      const assets = [...body.matchAll(/(?:src|href)="(\/assets\/[^"]*)"/g)].map(([, path]) => path)
      t.equal(assets.length, 4, 'icon, two styles, script')
      for (const asset of assets) seen.add(String(asset))
    }
    t.equal(seen.size, 6)
    for (const url of seen) {
      const asset = await app.inject(url)
      t.equal(asset.statusCode, 200, url)
      t.match(
        asset.headers['content-type'],
        /^(text\/(css|javascript); charset=utf-8|image\/svg\+xml)$/,
      )
      t.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')
      for (const [, name] of asset.body.matchAll(/from '\.\/([^']*)'/g)) {
        const neighbour = await app.inject(url.replace(/[^/]*$/, String(name)))
        t.equal(neighbour.statusCode, 200, `${url} imports ${name}`)
      }
    }
  },
)

t.test('a page of another release gets its script, but not for the browser’s cache', async (t) => {
  const app = await pagesAlone(t)
  const asset = await app.inject('/assets/older/cancel.js')
  t.equal(asset.statusCode, 200)
  t.equal(asset.headers['cache-control'], 'no-store')
})

t.test('serves no file but the assets', async (t) => {
  const app = await pagesAlone(t)
  for (const name of ['..%2findex.ts', '%2e%2e%2findex.ts', 'index.ts', 'toString', ''])
    t.equal((await app.inject(`/assets/older/${name}`)).statusCode, 404, name)
})

t.test('every problem type has a page that says what to do', async (t) => {
  const app = await pagesAlone(t)
  for (const [code, { title, status }] of Object.entries(problemTypes)) {
    const { statusCode, body } = await app.inject(`/problems/${code}`)
    t.equal(statusCode, 200, code)
    t.ok(body.includes(`<title>${title} · Lethe</title>`), title)
    t.ok(body.includes(`<dd>${status}</dd>`))
    t.notMatch(body, /`/, 'names of members are set as code')
    t.notMatch(body, /<script/, 'it reads without JavaScript')
  }
  for (const code of ['constructor', 'no-such-code', '%3Cscript%3E'])
    t.equal((await app.inject(`/problems/${code}`)).statusCode, 404, code)
})

t.test('the pages are not in the description of the API', async (t) => {
  const app = await pagesAlone(t)
  t.strictSame(app.swagger().paths, {})
})

/** The pages behind helmet, whose policies the pages replace. */
async function pagesAlone(t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(helmet, { referrerPolicy: { policy: 'unsafe-url' } })
  await app.register(swagger, { openapi: { openapi: '3.1.0' } })
  await app.register(pages)
  await app.ready()
  return app
}
