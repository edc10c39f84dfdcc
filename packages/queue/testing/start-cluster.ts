import { type Certificates, freePort, isPortFree } from '@lethe/dev-env'
import { measureSlowness, until } from '@lethe/machine-speed'
import type { Test } from 'tap'
import { type RedisProcess, startRedis, waitForReplica } from './start-redis.ts'

export interface RedisCluster {
  url: string
  nodes: RedisProcess[]
  /** Returns the master that holds the key now. */
  masterOf(key: string): Promise<RedisProcess>
}

const MASTERS = 3
const SLOTS = 16_384
// The offset of the port on which nodes talk to each other.
const BUS_PORT_OFFSET = 10_000

/** Starts three masters with a replica each. A failover takes about two seconds, longer on a slow machine. */
export async function startCluster(
  t: Pick<Test, 'teardown'>,
  tls?: Certificates,
): Promise<RedisCluster> {
  // A node must not count as failed because a busy machine delays it.
  const nodeTimeoutMs = Math.round(1_000 * (await measureSlowness()))
  const settings = ['cluster-enabled yes', `cluster-node-timeout ${nodeTimeoutMs}`]
  if (tls) settings.push('tls-cluster yes')
  const nodes: RedisProcess[] = []
  for (let i = 0; i < 2 * MASTERS; i++)
    nodes.push(await startRedis(t, settings, { port: await findClusterPort(), tls }))
  await join(nodes)
  return {
    url: `redis${tls ? 's' : ''}+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    nodes,
    async masterOf(key) {
      const port = await Promise.any(nodes.map((node) => masterPort(node, key)))
      const master = nodes.find((node) => node.port === port)
      if (!master) throw new Error(`no node holds ${key}`)
      return master
    },
  }
}

async function join(nodes: RedisProcess[]): Promise<void> {
  const tell = (node: RedisProcess, ...words: (string | number)[]) =>
    node.command('cluster', ...words.map(String))
  const masters = nodes.slice(0, MASTERS)
  const replicas = nodes.slice(MASTERS)
  // Masters with the same epoch would contend for slots.
  await Promise.all(nodes.map((node, i) => tell(node, 'set-config-epoch', i + 1)))
  await Promise.all(masters.map((node, i) => tell(node, 'addslots', ...share(i))))
  await Promise.all(
    nodes.slice(1).map((node) => tell(node, 'meet', '127.0.0.1', nodes[0]?.port ?? 0)),
  )
  await until('the nodes have met', async () => {
    const seen = await Promise.all(nodes.map((node) => tell(node, 'info')))
    return seen.every((info) => /known_nodes:6\b/.test(String(info)))
  })
  const ids = await Promise.all(masters.map((node) => tell(node, 'myid')))
  await Promise.all(replicas.map((node, i) => tell(node, 'replicate', String(ids[i]))))
  await Promise.all(replicas.map((node, i) => waitForReplica(node, masters[i] ?? node)))
  await until('each node sees the whole', async () => {
    const seen = await Promise.all(nodes.map((node) => tell(node, 'info')))
    return seen.every((info) => /cluster_state:ok[\s\S]*cluster_size:3\b/.test(String(info)))
  })
}

function share(i: number): number[] {
  const size = Math.ceil(SLOTS / MASTERS)
  return Array.from({ length: SLOTS }, (_, slot) => slot).slice(i * size, (i + 1) * size)
}

async function masterPort(node: RedisProcess, key: string): Promise<number | undefined> {
  const slot = Number(await node.command('cluster', 'keyslot', key))
  const ranges = (await node.command('cluster', 'slots')) as [number, number, [string, number]][]
  const [, , master] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? []
  return master?.[1]
}

/** Returns a free port whose bus port is free too. */
async function findClusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (await isPortFree(port + BUS_PORT_OFFSET)) return port
  }
}
