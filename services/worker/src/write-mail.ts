import type { MailName } from '@lethe/db'
import { deletionToken, exportToken, type Keys, type MailFacts, tokenHash } from '@lethe/lifecycle'
import {
  accountErased,
  deletionCancelled,
  deletionReminder,
  deletionScheduled,
  exportReady,
  type Mail,
} from '@lethe/mails'

interface Writer {
  keys: Keys
  publicUrl: string
}

/** The mail as it is to be sent now; undefined when what it would say is no longer so. */
export function writeMail(facts: MailFacts, writer: Writer): Mail | undefined {
  return write[facts.mail](facts, writer)
}

const write: Record<MailName, (facts: MailFacts, writer: Writer) => Mail | undefined> = {
  'deletion-scheduled'(facts, { keys, publicUrl }) {
    const { eraseAfter, requestedBy } = facts
    if (facts.deletionStatus !== 'pending' || !eraseAfter) return undefined
    return deletionScheduled({
      publicUrl,
      token: cancelToken(keys, facts),
      eraseAfter,
      requestedBy,
    })
  },
  'deletion-reminder'(facts, { keys, publicUrl }) {
    const { eraseAfter } = facts
    if (facts.deletionStatus !== 'pending' || !eraseAfter) return undefined
    return deletionReminder({ publicUrl, token: cancelToken(keys, facts), eraseAfter })
  },
  'export-ready'(facts, { keys, publicUrl }) {
    const { exportStatus, exportExpiresAt: expiresAt, exportBytes: bytes } = facts
    if (exportStatus !== 'ready' || !expiresAt || !bytes) return undefined
    const token = checked(exportToken, keys, facts.exportNonce, facts.exportHash)
    return exportReady({ publicUrl, token, expiresAt, bytes, isOwn: facts.deletionId === null })
  },
  'deletion-cancelled': (_facts, { publicUrl }) => deletionCancelled({ publicUrl }),
  'account-erased'({ erasedCounts: counts, exportStatus, exportExpiresAt }) {
    if (!counts) return undefined
    const open = exportStatus === 'ready' && exportExpiresAt
    return accountErased({
      counts,
      ...(open && { exportExpiresAt }),
      ...(exportStatus === 'failed' && { exportFailed: true }),
    })
  },
}

function cancelToken(keys: Keys, { deletionNonce, deletionHash }: MailFacts): string {
  return checked(deletionToken, keys, deletionNonce, deletionHash)
}

/** No link is mailed that would not open: with another SECRET_KEY, or a damaged row, the token is another. */
function checked(
  make: (keys: Keys, nonce: Buffer) => string,
  keys: Keys,
  nonce: Buffer | null,
  hash: Buffer | null,
): string {
  const token = nonce && make(keys, nonce)
  if (!token || !hash || !tokenHash(token).equals(hash)) throw new TokenMismatchError()
  return token
}

class TokenMismatchError extends Error {
  override name = 'TokenMismatchError'
  readonly code = 'ETOKEN'
}
