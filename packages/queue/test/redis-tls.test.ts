import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import {
  type Certificates,
  makeCertificates,
  type RedisProcess,
  startCluster,
  startRedis,
  startSentinels,
  withCertificates,
  withServers,
} from '../testing/index.ts'

const operations = path.join(import.meta.dirname, '../../../docs/operations.md')
const needs = { ...withServers, ...withCertificates }

t.test('works over TLS with the documented rights: a server', needs, async (t) => {
  const { url, ca } = await worksWithFewRights(t, async (tls) => {
    const server = await startRedis(t, [], { tls })
    return { url: `rediss://127.0.0.1:${server.port}`, servers: [server] }
  })
  t.match(await workOnce(url, {}), /self-signed certificate in certificate chain/)
  t.match(await workOnce(url.replace('//', '//lethe:guess@'), ca), /WRONGPASS/)
})

t.test(
  'works over TLS with the documented rights: Sentinels with their own password',
  needs,
  async (t) => {
    await worksWithFewRights(t, async (tls) => {
      const { url, servers, sentinels } = await startSentinels(t, tls)
      for (const sentinel of sentinels) {
        await sentinel.command('acl', 'setuser', 'guard', 'on', '>p@ss', '+@all', '&*')
        await sentinel.command('acl', 'setuser', 'default', 'off')
      }
      return { url: `${url}?sentinel_username=guard&sentinel_password=p%40ss`, servers }
    })
  },
)

t.test('works over TLS with the documented rights: a cluster', needs, async (t) => {
  await worksWithFewRights(t, async (tls) => {
    const { url, nodes } = await startCluster(t, tls)
    return { url, servers: nodes }
  })
})

type Start = (tls: Certificates) => Promise<{ url: string; servers: RedisProcess[] }>

async function worksWithFewRights(t: Test, start: Start) {
  const tls = await makeCertificates(t)
  const { url, servers } = await start(tls)
  const documented = await readFile(operations, 'utf8')
  const [, rights = ''] = /^ACL SETUSER lethe on >PASSWORD (.*)$/m.exec(documented) ?? []
  const password = 'p@ss/word'
  for (const server of servers)
    await server.command('acl', 'setuser', 'lethe', 'on', `>${password}`, ...rights.split(' '))

  const theirs = url.replace('//', `//lethe:${encodeURIComponent(password)}@`)
  const ca = { NODE_EXTRA_CA_CERTS: tls.caFile }
  t.equal(await workOnce(theirs, ca), '3 done, 3 set aside\n')
  const denied = await Promise.all(servers.map((server) => server.command('acl', 'log')))
  t.strictSame(denied.flat(), [], 'nothing else was tried')
  return { url, ca }
}

async function workOnce(url: string, env: Record<string, string>): Promise<string> {
  const file = path.join(import.meta.dirname, 'work-once.ts')
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    env: { PATH, NODE_COMPILE_CACHE, REDIS_URL: url, ...env },
  })
  return stdout
}
