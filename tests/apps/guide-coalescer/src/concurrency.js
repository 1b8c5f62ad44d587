// The guide's RequestCoalescer and BatchProcessor (its lines 2507-2576), as written. `index.js` uses them.
import { processItem } from './rest.js';

// 请求合并（Request Coalescing）
export class RequestCoalescer {
  constructor() {
    this.pending = new Map();
  }

  async fetch(key, fetcher) {
    // 如果已有相同请求在处理，等待结果
    if (this.pending.has(key)) {
      return this.pending.get(key);
    }

    // 创建新请求
    const promise = fetcher().finally(() => {
      this.pending.delete(key);
    });

    this.pending.set(key, promise);
    return promise;
  }
}

// 批处理优化
export class BatchProcessor {
  constructor(options = {}) {
    this.batchSize = options.batchSize || 100;
    this.batchTimeout = options.batchTimeout || 100;
    this.queue = [];
    this.timer = null;
  }

  async add(item) {
    return new Promise((resolve, reject) => {
      this.queue.push({ item, resolve, reject });

      if (this.queue.length >= this.batchSize) {
        this.flush();
      } else if (!this.timer) {
        this.timer = setTimeout(() => this.flush(), this.batchTimeout);
      }
    });
  }

  async flush() {
    if (this.timer) {
      clearTimeout(this.timer);
      this.timer = null;
    }

    if (this.queue.length === 0) return;

    const batch = this.queue.splice(0, this.batchSize);
    const items = batch.map(b => b.item);

    try {
      const results = await this.processBatch(items);

      batch.forEach((b, i) => {
        b.resolve(results[i]);
      });
    } catch (error) {
      batch.forEach(b => b.reject(error));
    }
  }

  async processBatch(items) {
    // 批量处理逻辑
    return Promise.all(items.map(item => processItem(item)));
  }
}
