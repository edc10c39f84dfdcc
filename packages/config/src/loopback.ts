/** Whether this host of a URL names the machine that reads it, whichever machine that is. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i.test(host)
}
