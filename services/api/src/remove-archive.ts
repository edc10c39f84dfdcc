import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from './deps.ts'

/** Of an archive that nobody can open any more. Should it fail, the worker removes it. */
export async function removeArchive(
  { storage, folders }: Pick<Deps, 'storage' | 'folders'>,
  { exportId, fileName }: { exportId: string; fileName: string },
  log: FastifyBaseLogger,
): Promise<void> {
  // A restored copy of the database names the same archives as the one that it was copied from.
  if ((await folders.whyNot()) !== undefined) return
  await storage
    .remove([fileName])
    .catch((err: NodeJS.ErrnoException) =>
      log.warn({ exportId, code: err.code ?? err.name }, 'archive.left-for-the-worker'),
    )
}
