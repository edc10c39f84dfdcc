import {
  type ConnectionOptions,
  type IQueueBackend,
  type JobProgress,
  type RedisQueueBackend,
  Worker,
} from 'bullmq'

/**
 * BullMQ stops renewing locks only after its last wait for a job ends. While the server is down, that wait may never
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
