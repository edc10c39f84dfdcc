import type { Command } from '../command.ts'
import { runChecks } from '../doctor/examine.ts'

export const runDoctor: Command = async (_args, { env, print }) => {
  const reports = await runChecks(env)
  const width = Math.max(...reports.map(({ about }) => about.length))
  for (const { about, findings } of reports)
    for (const { grade, text, remedy } of findings) {
      print(`${grade.padEnd(7)}  ${about.padEnd(width)}  ${text}`)
      if (remedy !== undefined) print(`${' '.repeat(width + 11)}→ ${remedy}`)
    }
  const skipped = reports.filter(({ findings }) => findings.length === 0)
  if (skipped.length > 0)
    print(
      `\nSkipped because of the failures above: ${skipped.map(({ about }) => about).join(', ')}.`,
    )
  const count = (grade: string) =>
    reports.flatMap(({ findings }) => findings).filter((finding) => finding.grade === grade).length
  print(`\nWrong: ${count('wrong')}, warnings: ${count('warning')}.`)
  return count('wrong') > 0 ? 1 : 0
}
