import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim, type Stage } from '../../scenario.ts'
import { type Client, createClient } from '../../system/client.ts'
import type { Environment, Running } from '../../system/environment.ts'
import type { Judge } from '../../system/mail-sink.ts'
import type { Person } from '../../system/people.ts'
import { type FaultProxy, startFaultProxy } from '../../system/proxy.ts'
import type { Way } from './points.ts'

type Name = 'api' | 'worker'

/** A world of which every way can be listened to, and whose services come back when they were killed. */
export interface Room {
  world: Environment
  /** By way of a proxy of its own. */
  client: Client
  ways: Partial<Record<Way, FaultProxy>>
  /** Somebody new, with a picture. */
  person(): Promise<Person>
  /** Ends the connections to the mail server, as such servers do with idle ones: the next mail needs a new one. */
  hangUp(): void
  /** How this address is to be treated by the mail server. */
  judge(address: string, judge: Judge): void
  /** Kills (-9) and starts again. */
  kill(name: Name): void
  /** The same, with something in between. */
  restart(name: Name, between: () => void): Promise<void>
  /** Waits until both services are there; throws when one ended that nobody killed. */
  whole(): Promise<void>
  /** Waits until nothing is left to be done, not even an archive to be removed. */
  rest(): Promise<void>
  close(): Promise<void>
}

const REST_TIMEOUT_MS = 90_000

export async function openRoom({ openWorld, full }: Pick<Stage, 'openWorld' | 'full'>) {
  const gracePeriod = full ? 'PT2S' : 'PT1S'
  // All that is limited or expires is played too.
  const world = await openWorld({
    gracePeriod,
    env: { RATE_LIMITS: 'on', EXPORT_TTL: gracePeriod },
  })
  await world.bystanders(5)
  const running = new Map<Name, Running>()
  const ended: string[] = []
  const start = async (name: Name) => {
    const service = await (name === 'api' ? world.startApi() : world.startWorker())
    running.set(name, service)
    void service.ended.then((code) => {
      if (running.get(name) !== service) return
      const words = world.lines.filter((line) => line.includes('"level":60')).join('\n')
      ended.push(`the ${name} ended by itself with ${code}: ${words}`)
    })
    return service
  }
  const [api] = await Promise.all([start('api'), start('worker')])
  const front = await startFaultProxy(api.url, 'http')
  const { toRedis, ...others } = world.ways

  const judges = new Map<string, Judge>()
  world.sink.judge((mail) => judges.get(mail.recipient)?.(mail) ?? 'accepted')
  let back: Promise<unknown> = Promise.resolve()
  const killed = async (name: Name) => {
    const service = running.get(name)
    running.delete(name)
    await service?.kill()
  }
  const whole = async () => {
    await back
    claim(ended.length === 0, ended.join(', '))
  }
  const room: Room = {
    world,
    client: createClient(`http://127.0.0.1:${front.port}`, world.recorder),
    ways: { toApi: front, ...others, ...(toRedis && { toRedis }) },
    async person() {
      const [person] = await world.people(1, { pictureOf: 1 })
      return person as Person
    },
    hangUp: world.ways.toMail.drop,
    judge: (address, judge) => void judges.set(address, judge),
    kill(name) {
      const dead = killed(name)
      back = Promise.all([back, dead.then(() => start(name))])
      // Whoever waits for it is told.
      back.catch(() => {})
    },
    async restart(name, between) {
      await whole()
      await killed(name)
      between()
      await start(name)
    },
    whole,
    async rest() {
      const settled = async () => (await open(world)).length === 0
      await until('that all is at rest', settled, REST_TIMEOUT_MS).catch(async (error) => {
        throw new Error(`${error.message}: ${(await open(world)).join(', ')}`)
      })
      await whole()
    },
    close: front.close,
  }
  return room
}

/** What is left to be done. */
async function open({ db }: Environment): Promise<string[]> {
  const { rows } = await sql<{ open: string }>`
    select 'the mail ' || mail as open from public.outbox where status = 'pending'
    union all select 'an export' from public.exports where status = 'pending'
    union all select 'an archive' from public.exports where file_name is not null and status <> 'ready'
    union all select 'a deletion that is ' || status from public.deletions
      where status = 'erasing' or status = 'pending' and erase_after <= now() + interval '5 seconds'
    union all select 'an archive that expires' from public.exports where status = 'ready'
    union all select 'an event to seal' from public.audit_events where position is null`.execute(db)
  return rows.map((row) => row.open)
}
