import { type Link, linkName } from '../map/reachable-tables.ts'
import { type Plan, parentLinks, type Step } from '../plan/plan.ts'

/** A line of a plan, for a person and for a program. */
export interface PlanLine {
  step: number
  does: 'erase' | 'overwrite'
  table: string
  /** What is overwritten, or by which columns its rows hang on others that are erased. */
  columns: string[]
  /** What these columns lead to. */
  because: string[]
  /** About how many rows the whole table has, as the database estimates; none before its first ANALYZE. */
  about: number | null
}

/** The plan step by step, in the order of erasure. */
export function planLines(plan: Plan): PlanLine[] {
  return plan.steps.flatMap((step, place) => linesOf(plan, step, place + 1))
}

function linesOf(plan: Plan, step: Step, number: number): PlanLine[] {
  const about = (table: string) => plan.tables.get(table)?.about ?? null
  if (step.rule === 'clear') {
    const { table } = step.link
    const columns = step.set.map(([column]) => column)
    return [
      {
        ...{ step: number, does: 'overwrite', table, columns },
        because: [step.link.target],
        about: about(table),
      },
    ]
  }
  return step.tables.map((table) => {
    const links = plan.parents.get(table) ?? []
    return {
      ...{ step: number, does: 'erase', table },
      columns: links.map(({ columns }) => linkName(columns)),
      because: links.map(({ target }) => target),
      about: about(table),
    }
  })
}

/** The same as a picture: https://mermaid.js.org shows it, and so do most places that show Markdown. */
export function planPicture(plan: Plan): string {
  const links = parentLinks(plan)
  const names = [...new Set([...plan.parents.keys(), ...links.map(({ table }) => table)])]
  const node = (table: string) => `t${names.indexOf(table)}`
  const arrow = ({ rule }: Link) => (rule === 'delete' ? '-->' : '-.->')
  return [
    'flowchart RL',
    ...names.map((table) => `  ${node(table)}["${label(table)}"]`),
    ...links.map(
      (link) =>
        `  ${node(link.table)} ${arrow(link)}|"${label(linkName(link.columns))}"| ${node(link.target)}`,
    ),
  ].join('\n')
}

/** In a label a quote would end it. */
const label = (name: string) => name.replaceAll('"', '#quot;')
