// The guide's ConnectionPool and clean-up (its lines 2942-3006). `rest.js` has what they leave out; where they cannot run as
// written, a comment says what differs.
import { Connection, createTempFile, deleteTempFile, processRequest } from './rest.js';

// 连接池管理
class ConnectionPool {
  constructor(options = {}) {
    this.maxConnections = options.maxConnections || 10;
    this.connections = [];
    this.waiting = [];
    // Differs: it is never set there, and `undefined < 10` is false, so the first to ask waits for ever.
    this.active = 0;
  }

  async acquire() {
    if (this.connections.length > 0) {
      return this.connections.pop();
    }

    if (this.active < this.maxConnections) {
      return this.createConnection();
    }

    // 等待可用连接
    return new Promise((resolve, reject) => {
      this.waiting.push(resolve);
      // Differs: there is no timer there, and the runtime ends a request that waits for nothing but another request.
      setTimeout(() => {
        this.waiting = this.waiting.filter(waiting => waiting !== resolve);
        reject(new Error('No connection'));
      }, 10_000);
    });
  }

  release(connection) {
    if (this.waiting.length > 0) {
      const resolve = this.waiting.shift();
      resolve(connection);
    } else {
      this.connections.push(connection);
    }
  }

  async createConnection() {
    // 创建新连接
    this.active++;
    return new Connection();
  }
}

// Differs: there is none there.
const connectionPool = new ConnectionPool({ maxConnections: 2 });

// 资源清理
export default {
  async fetch(request, env, ctx) {
    const resources = [];

    try {
      // 分配资源
      const connection = await connectionPool.acquire();
      resources.push(() => connectionPool.release(connection));

      const tempFile = await createTempFile(env);
      resources.push(() => deleteTempFile(tempFile));

      // 处理请求
      const response = await processRequest(request, { connection, tempFile });

      return response;

    } finally {
      // 确保资源清理
      ctx.waitUntil(
        Promise.all(resources.map(cleanup => cleanup()))
      );
    }
  }
};
