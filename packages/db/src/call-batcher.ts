/**
 * Collects calls that arrive while `run` is busy and answers them with its next run, because one statement for many
 * calls takes hardly longer than one for a single call. A call never waits for others to arrive. If a run fails, each
 * of its calls is retried alone, so that one bad call cannot fail the others.
 */
export function batchCalls<Call, Answer>(
  run: (calls: Call[]) => Promise<Answer[]>,
): (call: Call) => Promise<Answer> {
  let waiting: Waiting<Call, Answer>[] = []
  let isRunning = false
  const runOn = async () => {
    isRunning = true
    while (waiting.length > 0) {
      const these = waiting
      waiting = []
      await answer(run, these)
    }
    isRunning = false
  }
  return (call) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    waiting.push({ call, resolve, reject })
    if (!isRunning) void runOn()
    return promise
  }
}

interface Waiting<Call, Answer> {
  call: Call
  resolve(answer: Answer): void
  reject(error: unknown): void
}

async function answer<Call, Answer>(
  run: (calls: Call[]) => Promise<Answer[]>,
  these: Waiting<Call, Answer>[],
): Promise<void> {
  try {
    const answers = await run(these.map(({ call }) => call))
    for (const [place, { resolve }] of these.entries()) resolve(answers[place] as Answer)
  } catch (error) {
    const [only, ...others] = these
    if (others.length === 0) only?.reject(error)
    else await Promise.all(these.map((one) => answer(run, [one])))
  }
}
