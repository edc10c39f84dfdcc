import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/**
 * Ends a server that outlived its parent (after `kill -9`) and still runs on this cluster. The caller holds the folder,
 * so no other process uses it.
 */
export async function endOrphan(cluster: string): Promise<void> {
  const pid = await recordedPid(cluster)
  if (pid === undefined || !(await runsOn(cluster, pid))) return
  process.kill(pid, 'SIGINT')
  while (await runsOn(cluster, pid)) await wait(50)
}

/**
 * Removes a stale `postmaster.pid`. PostgreSQL takes it for a running server if any process has that pid now, which is
 * likely after a reboot.
 */
export async function removeStalePidFile(cluster: string): Promise<void> {
  const pid = await recordedPid(cluster)
  if (pid !== undefined && !(await runsOn(cluster, pid)))
    await rm(path.join(cluster, 'postmaster.pid'), { force: true })
}

async function recordedPid(cluster: string): Promise<number | undefined> {
  const text = await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  return Number.isInteger(pid) && pid > 0 ? pid : undefined
}

async function runsOn(cluster: string, pid: number): Promise<boolean> {
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  return args[args.indexOf('-D') + 1] === cluster
}
