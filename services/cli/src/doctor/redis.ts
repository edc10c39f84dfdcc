import { inspectRedis, type RedisServer } from '@lethe/queue'
import { type Finding, ok, warning, why, wrong } from './finding.ts'

const MIN_VERSION = [6, 2] as const

export async function checkRedis({ redisUrl }: { redisUrl: string | undefined }) {
  if (redisUrl === undefined) return [ok('REDIS_URL is not set: the queue is in PostgreSQL')]
  try {
    return (await inspectRedis(redisUrl)).flatMap(findingsFor)
  } catch (error) {
    return [findingForError(error)]
  }
}

function findingsFor(server: RedisServer): Finding[] {
  const findings = [checkVersion, checkTopology, checkPolicy, checkAppendOnly].flatMap(
    (check) => check(server) ?? [],
  )
  return findings.length > 0
    ? findings
    : [ok(`${server.name} runs ${server.version}, evicts nothing, and writes an append-only file`)]
}

function checkVersion({ name, version }: RedisServer): Finding | undefined {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  if (major > MIN_VERSION[0] || (major === MIN_VERSION[0] && minor >= MIN_VERSION[1]))
    return undefined
  return wrong(
    `${name} runs ${version ?? 'an unknown version'}`,
    'upgrade it to Redis 6.2 or newer, or Valkey',
  )
}

function checkTopology({ name, misplaced }: RedisServer): Finding | undefined {
  if (misplaced === 'replica')
    return wrong(`${name} is a replica, which accepts no jobs`, 'name its master in REDIS_URL')
  if (misplaced !== undefined)
    return wrong(
      `${name} is a ${misplaced}, which stores only part of the jobs`,
      'name the whole cluster in REDIS_URL: redis+cluster://…',
    )
  return undefined
}

function checkPolicy({ name, policy }: RedisServer): Finding | undefined {
  if (policy === 'noeviction') return undefined
  if (policy === undefined)
    return warning(
      `${name} does not report its maxmemory-policy`,
      'check in the configuration of the server that it is noeviction',
    )
  return wrong(
    `${name} drops jobs when its memory is full: maxmemory-policy is ${policy}`,
    'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
  )
}

function checkAppendOnly({ name, appendOnly }: RedisServer): Finding | undefined {
  if (appendOnly) return undefined
  if (appendOnly === undefined)
    return warning(
      `${name} does not report whether it writes an append-only file`,
      'check in the configuration of the server that appendonly is yes',
    )
  return wrong(
    `${name} loses waiting jobs when it stops: it has no append-only file`,
    'redis-cli CONFIG SET appendonly yes, and the same in redis.conf',
  )
}

function findingForError(error: unknown): Finding {
  // An error reply of Redis begins with a code. Show only that: the rest may contain the user's name.
  const isReply = error instanceof Error && error.name === 'ReplyError'
  if (!isReply) return wrong(`does not answer${why(error)}`, 'start it, or correct REDIS_URL')
  const [code = 'ERR'] = /^[A-Z]+/.exec(error.message) ?? []
  return wrong(
    `does not let this user read its state (${code})`,
    'correct user and password in REDIS_URL, and grant that user +info',
  )
}
