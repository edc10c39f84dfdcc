/**
 * Loaded into a service before its own code. When the parent process ends, even by SIGKILL, the IPC channel closes and
 * the service shuts down in order; otherwise it would keep its port with no process to stop it.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
