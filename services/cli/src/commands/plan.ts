import { planErasure } from '@lethe/accounts'
import { formatMapProblem, IncompleteDataMapError, planLines, planPicture } from '@lethe/erasure'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

/** Shows what an erasure does, step by step, or what is missing in the data map so that it does nothing at all. */
export const showPlan: Command = async (args, { db, print }) => {
  if (args.some((argument) => argument !== '--json')) {
    print('Usage: pnpm lethe plan [--json]')
    return 2
  }
  const json = args.includes('--json')
  try {
    const plan = await planErasure(db)
    const lines = planLines(plan)
    if (json) print(JSON.stringify({ steps: lines, faults: [] }, null, 2))
    else {
      print(
        table(
          lines.map(({ columns, because, ...line }) => ({ ...line, by: ways(columns, because) })),
        ),
      )
      print(`\n\`\`\`mermaid\n${planPicture(plan)}\n\`\`\``)
    }
    return 0
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    if (json) print(JSON.stringify({ steps: [], faults: error.faults }, null, 2))
    else for (const fault of error.faults) print(formatMapProblem(fault))
    return 1
  }
}

function ways(columns: string[], because: string[]): string {
  if (columns.length === 0) return 'whoever asked for it'
  return columns.map((column, place) => `${column} → ${because[place] ?? because[0]}`).join('; ')
}
