// The guide's first Worker (its lines 171-221), with a class for the object that `Env` names. `rest.ts` has what
// it leaves out; where it differs, a comment says so.
import { cleanupOldData, handlePosts, handleUsers, processMessage } from './rest';

export { Counter } from './rest';

// 基础 Worker 示例
export default {
  async fetch(request, env, ctx) {
    // request: 传入的 HTTP 请求
    // env: 环境变量和绑定
    // ctx: 执行上下文

    const url = new URL(request.url);

    // 路由处理
    switch (url.pathname) {
      case '/api/users':
        return handleUsers(request, env);
      case '/api/posts':
        return handlePosts(request, env);
      default:
        return new Response('Not Found', { status: 404 });
    }
  },

  // 定时触发器
  async scheduled(event, env, ctx) {
    // 定时任务逻辑
    await cleanupOldData(env);
  },

  // 队列消费者
  async queue(batch, env, ctx) {
    // 处理队列消息
    for (const message of batch.messages) {
      // Differs: without `env` there, and then it has nowhere to keep anything.
      await processMessage(message, env);
      message.ack();
    }
  }
};

// 环境变量类型定义
interface Env {
  // KV 命名空间
  MY_KV: KVNamespace;
  // D1 数据库
  MY_DB: D1Database;
  // R2 存储桶
  MY_BUCKET: R2Bucket;
  // Durable Object
  MY_DO: DurableObjectNamespace;
  // 队列
  MY_QUEUE: Queue;
  // 环境变量
  API_KEY: string;
}
