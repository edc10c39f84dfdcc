import { inspectRedis, type RedisServer } from '@lethe/queue'
import { type Finding, ok, warning, why, wrong } from './finding.ts'

const OLDEST = [6, 2] as const

export async function checkRedis({ redisUrl }: { redisUrl: string | undefined }) {
  if (redisUrl === undefined) return [ok('REDIS_URL is not set: the queue lives in PostgreSQL')]
  try {
    return (await inspectRedis(redisUrl)).flatMap(judge)
  } catch (error) {
    return [explain(error)]
  }
}

function judge(server: RedisServer): Finding[] {
  const findings = [version, place, policy, appendOnly].flatMap((look) => look(server) ?? [])
  return findings.length > 0
    ? findings
    : [ok(`${server.name} runs ${server.version}, evicts nothing, and appends to a file`)]
}

function version({ name, version }: RedisServer): Finding | undefined {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined
  return wrong(
    `${name} runs ${version ?? 'nobody knows what'}`,
    'upgrade it to Redis 6.2 or newer, or Valkey',
  )
}

function place({ name, misplaced }: RedisServer): Finding | undefined {
  if (misplaced === 'replica')
    return wrong(`${name} is a replica, which takes no jobs`, 'name its master in REDIS_URL')
  if (misplaced !== undefined)
    return wrong(
      `${name} is a ${misplaced}, which takes a part of the jobs`,
      'name the whole in REDIS_URL: redis+cluster://…',
    )
  return undefined
}

function policy({ name, policy }: RedisServer): Finding | undefined {
  if (policy === 'noeviction') return undefined
  if (policy === undefined)
    return warning(
      `${name} does not tell its maxmemory-policy`,
      'see to it that it is noeviction, where the server is set up',
    )
  return wrong(
    `${name} drops jobs when its memory is full: maxmemory-policy is ${policy}`,
    'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
  )
}

function appendOnly({ name, appendOnly }: RedisServer): Finding | undefined {
  if (appendOnly) return undefined
  if (appendOnly === undefined)
    return warning(
      `${name} does not tell whether it appends to a file`,
      'see to it that appendonly is yes, where the server is set up',
    )
  return wrong(
    `${name} forgets what waits when it ends: it has no append-only file`,
    'redis-cli CONFIG SET appendonly yes, and the same in redis.conf',
  )
}

function explain(error: unknown): Finding {
  // What Redis replies begins with a code, and may go on with the name of the user.
  const isReply = error instanceof Error && error.name === 'ReplyError'
  if (!isReply) return wrong(`does not answer${why(error)}`, 'start it, or correct REDIS_URL')
  const [code = 'ERR'] = /^[A-Z]+/.exec(error.message) ?? []
  return wrong(
    `does not let us look (${code})`,
    'correct user and password in REDIS_URL, and let that user do +info',
  )
}
