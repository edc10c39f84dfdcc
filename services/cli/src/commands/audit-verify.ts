import { verifyAuditChain } from '@lethe/lifecycle'
import type { Command } from '../command.ts'

export const verifyAudit: Command = async (_args, { db, print }) => {
  const { sealed, unsealed, head, brokenAt } = await verifyAuditChain(db)
  if (brokenAt !== undefined) {
    print(`The chain is broken at position ${brokenAt}. The ${sealed} events before it are intact.`)
    return 1
  }
  print(`The chain is intact: ${sealed} events, ${unsealed} more are not sealed yet.`)
  print(
    `Its newest link is ${head}. Keep a copy elsewhere: it shows later whether events were removed from the end.`,
  )
  return 0
}
