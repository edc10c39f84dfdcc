/** Whether this host of a URL always names the local machine. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i.test(host)
}
