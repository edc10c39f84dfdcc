import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim, type ScenarioContext } from '../../scenario.ts'
import { type Client, createClient } from '../../system/client.ts'
import type { Environment, Running } from '../../system/environment.ts'
import type { Responder } from '../../system/mail-sink.ts'
import type { TestPerson } from '../../system/people.ts'
import { type FaultProxy, startFaultProxy } from '../../system/proxy.ts'
import type { LinkName } from './links.ts'

type Name = 'api' | 'worker'

/** An environment whose links can all be observed, and whose services restart after a kill. */
export interface IsolatedEnvironment {
  environment: Environment
  /** Connects through a proxy of its own. */
  client: Client
  links: Partial<Record<LinkName, FaultProxy>>
  /** Creates a person with a picture. */
  person(): Promise<TestPerson>
  /** Ends the connections to the mail server, as such servers do with idle ones; the next mail needs a new connection. */
  hangUp(): void
  /** Sets how the mail server responds to mails for this address. */
  respond(address: string, respond: Responder): void
  /** Kills the service (-9) and starts it again. */
  kill(name: Name): void
  /** The same, with a call in between. */
  restart(name: Name, between: () => void): Promise<void>
  /** Waits until both services run; throws when one ended without being killed. */
  waitUntilRunning(): Promise<void>
  /** Waits until no work is left, not even an expired archive to remove. */
  waitUntilIdle(): Promise<void>
  close(): Promise<void>
}

const IDLE_TIMEOUT_MS = 90_000

export async function openIsolatedEnvironment({
  openEnvironment,
  full,
}: Pick<ScenarioContext, 'openEnvironment' | 'full'>) {
  const gracePeriod = full ? 'PT2S' : 'PT1S'
  // Rate limits and expiring archives are part of the scripts.
  const environment = await openEnvironment({
    gracePeriod,
    env: { RATE_LIMITS: 'on', EXPORT_TTL: gracePeriod },
  })
  await environment.bystanders(5)
  const running = new Map<Name, Running>()
  const ended: string[] = []
  const start = async (name: Name) => {
    const service = await (name === 'api' ? environment.startApi() : environment.startWorker())
    running.set(name, service)
    void service.ended.then((code) => {
      if (running.get(name) !== service) return
      const words = environment.lines.filter((line) => line.includes('"level":60')).join('\n')
      ended.push(`the ${name} ended by itself with ${code}: ${words}`)
    })
    return service
  }
  const [api] = await Promise.all([start('api'), start('worker')])
  const front = await startFaultProxy(api.url, 'http')
  const { toRedis, ...others } = environment.links

  const responders = new Map<string, Responder>()
  environment.sink.respond((mail) => responders.get(mail.recipient)?.(mail) ?? 'accepted')
  let back: Promise<unknown> = Promise.resolve()
  const killed = async (name: Name) => {
    const service = running.get(name)
    running.delete(name)
    await service?.kill()
  }
  const waitUntilRunning = async () => {
    await back
    claim(ended.length === 0, ended.join(', '))
  }
  const isolated: IsolatedEnvironment = {
    environment,
    client: createClient(`http://127.0.0.1:${front.port}`, environment.recorder),
    links: { toApi: front, ...others, ...(toRedis && { toRedis }) },
    async person() {
      const [person] = await environment.people(1, { pictureOf: 1 })
      return person as TestPerson
    },
    hangUp: environment.links.toMail.drop,
    respond: (address, respond) => void responders.set(address, respond),
    kill(name) {
      const dead = killed(name)
      back = Promise.all([back, dead.then(() => start(name))])
      // `waitUntilRunning` reports the failure.
      back.catch(() => {})
    },
    async restart(name, between) {
      await waitUntilRunning()
      await killed(name)
      between()
      await start(name)
    },
    waitUntilRunning,
    async waitUntilIdle() {
      const settled = async () => (await open(environment)).length === 0
      await until('the end of all work', settled, IDLE_TIMEOUT_MS).catch(async (error) => {
        throw new Error(`${error.message}: ${(await open(environment)).join(', ')}`)
      })
      await waitUntilRunning()
    },
    close: front.close,
  }
  return isolated
}

/** Lists the work that is left. */
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
