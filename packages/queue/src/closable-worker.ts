import {
  type ConnectionOptions,
  type IQueueBackend,
  type JobProgress,
  type RedisQueueBackend,
  Worker,
} from 'bullmq'

/**
 * BullMQ stops renewing locks only once its last wait for a job has ended, and a wait on a server that is away may never
 * end.
 */
export class ClosableWorker<
  Backend extends IQueueBackend = RedisQueueBackend,
  Connection = ConnectionOptions,
> extends Worker<unknown, void, string, Backend, JobProgress, Connection> {
  async stopRenewing(): Promise<void> {
    await this.lockManager.close()
  }
}
