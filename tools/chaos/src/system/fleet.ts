import { until } from '@lethe/machine-speed'
import type { Environment, OwnWays, Running } from './environment.ts'

/** Something that a worker says to the database or the mail server. */
export interface Moment {
  way: 'toDatabase' | 'toMail'
  says: RegExp
  /** The server never hears it, or it has done it and the worker does not know. */
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
  /** From SIGTERM until it had ended. */
  seconds: number
}

/** Several workers on one world, each with ways and a name of its own. */
export interface Fleet {
  /** Kills (-9) whichever worker gets there first, at that moment, and starts another in its place. */
  killAt(moment: Moment): Promise<Ended>
  /** Whose turn it is to be stopped. */
  next(): string
  /** Sends SIGTERM to so many, in turn, and waits for their end; nobody follows them until `refill`. */
  stop(count: number): Promise<Stopped[]>
  refill(): void
  /** Waits until so many are at work, all by default. */
  whole(count?: number): Promise<void>
}

interface Place {
  ways: OwnWays
  /** None while the next one starts. */
  worker: { name: string; running: Running } | undefined
  starting: boolean
}

export async function startFleet(world: Environment, size: number): Promise<Fleet> {
  const places: Place[] = []
  for (let n = 0; n < size; n++)
    places.push({ ways: await world.openWays(), worker: undefined, starting: false })
  let started = 0
  let failure: unknown
  const occupy = async (place: Place) => {
    const name = `worker-${++started}`
    const running = await world.startWorker(place.ways.env(name))
    place.worker = { name, running }
    void running.ended.then((code) => {
      if (place.worker?.running === running)
        failure = new Error(`${name} ended by itself with code ${code}`)
    })
  }
  await Promise.all(places.map(occupy))

  const begin = (place: Place) => {
    place.starting = true
    occupy(place).then(
      () => {
        place.starting = false
      },
      (error: unknown) => {
        failure = error
      },
    )
  }
  const kill = (place: Place): Ended | undefined => {
    const { worker } = place
    if (!worker) return undefined
    const at = new Date()
    void worker.running.kill()
    place.worker = undefined
    begin(place)
    return { worker: worker.name, at }
  }
  const stop = async (place: Place): Promise<Stopped> => {
    const { worker } = place
    if (!worker) throw new Error('nobody is there to be stopped')
    const asked = new Date()
    const began = performance.now()
    place.worker = undefined
    await worker.running.stop()
    const seconds = (performance.now() - began) / 1_000
    return { worker: worker.name, asked, at: new Date(), code: await worker.running.ended, seconds }
  }
  const letPass = (way: Moment['way']) => {
    for (const { ways } of places) ways[way].intercept()
  }

  return {
    async killAt({ way, says, is }) {
      let ended: Ended | undefined
      for (const place of places) {
        const killed = () => {
          ended ??= kill(place)
          if (ended) letPass(way)
          return ended
        }
        place.ways[way].intercept((message) => {
          if (ended || !place.worker || !says.test(message)) return 'pass'
          if (is === 'unheard') return killed() ? 'drop-before' : 'pass'
          // A statement that changed and found nothing was about work that somebody else has done.
          return (answer) => (!ended && !/ 0$/.test(answer) && killed() ? 'silence' : 'pass')
        })
      }
      return until(`a worker that says ${says}`, () => {
        if (failure) throw failure
        return ended
      })
    },
    next: () => places[0]?.worker?.name ?? '',
    stop(count) {
      const some = places.splice(0, count)
      places.push(...some)
      return Promise.all(some.map(stop))
    },
    refill() {
      for (const place of places) if (!place.worker && !place.starting) begin(place)
    },
    async whole(count = size) {
      await until(`${count} workers`, () => {
        if (failure) throw failure
        return places.filter(({ worker }) => worker).length >= count
      })
    },
  }
}
