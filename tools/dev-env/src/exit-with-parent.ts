/**
 * Loaded into a service ahead of its own code: when whoever started it is gone, killed perhaps, the channel between
 * them closes and the service stops in its own orderly way, instead of holding its port with nobody left to stop it.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
