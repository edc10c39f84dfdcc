import { once } from 'node:events'
import { openClient } from '@lethe/db'
import { sleep } from './loop.ts'

const RECONNECT_INTERVAL_MS = 1_000

/**
 * Calls the callback of a channel for each NOTIFY on it, and every callback after each (re)connect, since notifications
 * may have been missed. Uses a dedicated connection: a pool could close it. Resolves after `stop`.
 */
export async function listen(
  connectionString: string,
  onNotify: Record<string, () => void>,
  onError: (error: unknown) => void,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    let client: Awaited<ReturnType<typeof openClient>> | undefined
    try {
      client = await openClient(connectionString, { onError })
      client.on('notification', ({ channel }) => onNotify[channel]?.())
      for (const channel of Object.keys(onNotify))
        await client.query(`listen ${client.escapeIdentifier(channel)}`)
      for (const callback of Object.values(onNotify)) callback()
      await once(client, 'end', { signal: stop })
    } catch (error) {
      if (!stop.aborted) onError(error)
    }
    await client?.end().catch(() => {})
    await sleep(RECONNECT_INTERVAL_MS, stop)
  }
}
