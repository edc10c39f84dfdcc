import { once } from 'node:events'
import { openClient } from '@lethe/db'
import { sleep } from './loop.ts'

const RECONNECT_MS = 1_000

/**
 * Calls what is named by a channel for each NOTIFY on it, and all whenever it has (re)connected, since some may have been missed.
 * On a connection of its own: a pool could take it away. Resolves after `stop`.
 */
export async function listen(
  connectionString: string,
  onNotice: Record<string, () => void>,
  onError: (error: unknown) => void,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    let client: Awaited<ReturnType<typeof openClient>> | undefined
    try {
      client = await openClient(connectionString, { onError })
      client.on('notification', ({ channel }) => onNotice[channel]?.())
      for (const channel of Object.keys(onNotice))
        await client.query(`listen ${client.escapeIdentifier(channel)}`)
      for (const notice of Object.values(onNotice)) notice()
      await once(client, 'end', { signal: stop })
    } catch (error) {
      if (!stop.aborted) onError(error)
    }
    await client?.end().catch(() => {})
    await sleep(RECONNECT_MS, stop)
  }
}
