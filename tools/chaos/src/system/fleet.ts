import { until } from '@lethe/machine-speed'
import type { Environment, Running, WorkerLinks } from './environment.ts'

/** A message of a worker to the database or the mail server. */
export interface Moment {
  link: 'toDatabase' | 'toMail'
  says: RegExp
  /** `unheard`: the server never sees the message. `done`: the server acted, and the worker does not learn. */
  is: 'unheard' | 'done'
}

export interface Ended {
  worker: string
  at: Date
}

export interface Stopped extends Ended {
  /** When it was sent SIGTERM. */
  asked: Date
  /** The exit code. */
  code: number | null
  /** From SIGTERM to the exit. */
  seconds: number
}

/** Several workers in one environment, each with its own links and name. */
export interface Fleet {
  /** Kills (-9) the worker that first reaches that moment, and starts another in its place. */
  killAt(moment: Moment): Promise<Ended>
  /** The name of the worker that `stop` stops next. */
  next(): string
  /** Sends SIGTERM to `count` workers, in turn, and waits for their exit; `refill` starts their successors. */
  stop(count: number): Promise<Stopped[]>
  refill(): void
  /** Waits until `count` workers run, all by default. */
  waitUntilRunning(count?: number): Promise<void>
}

interface Slot {
  links: WorkerLinks
  /** Undefined while the next one starts. */
  worker: { name: string; running: Running } | undefined
  starting: boolean
}

export async function startFleet(environment: Environment, size: number): Promise<Fleet> {
  const slots: Slot[] = []
  for (let n = 0; n < size; n++)
    slots.push({ links: await environment.openWorkerLinks(), worker: undefined, starting: false })
  let started = 0
  let failure: unknown
  const fillSlot = async (slot: Slot) => {
    const name = `worker-${++started}`
    const running = await environment.startWorker(slot.links.env(name))
    slot.worker = { name, running }
    void running.ended.then((code) => {
      if (slot.worker?.running === running)
        failure = new Error(`${name} ended by itself with code ${code}`)
    })
  }
  await Promise.all(slots.map(fillSlot))

  const refillSlot = (slot: Slot) => {
    slot.starting = true
    fillSlot(slot).then(
      () => {
        slot.starting = false
      },
      (error: unknown) => {
        failure = error
      },
    )
  }
  const kill = (slot: Slot): Ended | undefined => {
    const { worker } = slot
    if (!worker) return undefined
    const at = new Date()
    void worker.running.kill()
    slot.worker = undefined
    refillSlot(slot)
    return { worker: worker.name, at }
  }
  const stop = async (slot: Slot): Promise<Stopped> => {
    const { worker } = slot
    if (!worker) throw new Error('no worker runs in this slot')
    const asked = new Date()
    const began = performance.now()
    slot.worker = undefined
    await worker.running.stop()
    const seconds = (performance.now() - began) / 1_000
    return { worker: worker.name, asked, at: new Date(), code: await worker.running.ended, seconds }
  }
  const clearIntercepts = (link: Moment['link']) => {
    for (const { links } of slots) links[link].intercept()
  }

  return {
    async killAt({ link, says, is }) {
      let ended: Ended | undefined
      for (const slot of slots) {
        const killed = () => {
          ended ??= kill(slot)
          if (ended) clearIntercepts(link)
          return ended
        }
        slot.links[link].intercept((message) => {
          if (ended || !slot.worker || !says.test(message)) return 'pass'
          if (is === 'unheard') return killed() ? 'drop-before' : 'pass'
          // A statement that changed no row was about work that another worker has done.
          return (answer) => (!ended && !/ 0$/.test(answer) && killed() ? 'silence' : 'pass')
        })
      }
      return until(`a worker that says ${says}`, () => {
        if (failure) throw failure
        return ended
      })
    },
    next: () => slots[0]?.worker?.name ?? '',
    stop(count) {
      const some = slots.splice(0, count)
      slots.push(...some)
      return Promise.all(some.map(stop))
    },
    refill() {
      for (const slot of slots) if (!slot.worker && !slot.starting) refillSlot(slot)
    },
    async waitUntilRunning(count = size) {
      await until(`${count} workers`, () => {
        if (failure) throw failure
        return slots.filter(({ worker }) => worker).length >= count
      })
    },
  }
}
