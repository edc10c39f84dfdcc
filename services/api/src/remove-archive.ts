import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from './deps.ts'

/** Removes the file of an archive that can no longer be opened. If this fails, the worker removes it later. */
export async function removeArchive(
  { storage, folders }: Pick<Deps, 'storage' | 'folders'>,
  { exportId, fileName }: { exportId: string; fileName: string },
  log: FastifyBaseLogger,
): Promise<void> {
  // A restored copy of a database names the same archives as the original: do not remove the original's files.
  if ((await folders.findProblem()) !== undefined) return
  await storage
    .remove([fileName])
    .catch((err: NodeJS.ErrnoException) =>
      log.warn({ exportId, code: err.code ?? err.name }, 'archive.left-for-the-worker'),
    )
}
