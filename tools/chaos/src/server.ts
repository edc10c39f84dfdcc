import path from 'node:path'
import { makeTemplate, startPostgres } from '@lethe/dev-env'

/** A throw-away PostgreSQL with enough connections for many systems. It records commit timestamps. */
export async function startServer(folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  const postgres = await startPostgres({
    dataDir: path.join(folder, 'postgres'),
    settings: {
      track_commit_timestamp: 'on',
      max_connections: '600',
      shared_buffers: '512MB',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
    },
  })
  await makeTemplate(postgres.url)
  return { url: postgres.url, stop: postgres.stop }
}
