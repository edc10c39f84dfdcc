/** Asks every 50 ms until it is so; after half a minute that is a failure. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`It never came to be that ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
