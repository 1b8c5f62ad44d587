// The guide's Logger and RequestTracer (its lines 1289-1413), as written.

// 结构化日志
class Logger {
  constructor(env) {
    this.env = env;
  }

  async log(level, message, metadata = {}) {
    const logEntry = {
      timestamp: new Date().toISOString(),
      level,
      message,
      ...metadata,
      environment: this.env.ENVIRONMENT,
      region: this.env.CF_REGION
    };

    // 发送到日志队列
    await this.env.LOG_QUEUE.send(logEntry);

    // 控制台输出
    console.log(JSON.stringify(logEntry));
  }

  async error(message, error, metadata = {}) {
    await this.log('ERROR', message, {
      ...metadata,
      error: {
        message: error.message,
        stack: error.stack,
        name: error.name
      }
    });
  }

  async metric(name, value, tags = {}) {
    await this.env.METRICS_QUEUE.send({
      name,
      value,
      tags,
      timestamp: Date.now()
    });
  }
}

// 请求追踪
class RequestTracer {
  constructor() {
    this.traceId = crypto.randomUUID();
    this.spans = [];
  }

  startSpan(name) {
    const span = {
      name,
      traceId: this.traceId,
      spanId: crypto.randomUUID(),
      startTime: Date.now(),
      tags: {}
    };

    this.spans.push(span);
    return span;
  }

  endSpan(span, status = 'success') {
    span.endTime = Date.now();
    span.duration = span.endTime - span.startTime;
    span.status = status;
  }

  addTag(span, key, value) {
    span.tags[key] = value;
  }

  async flush(env) {
    await env.TRACES_QUEUE.send({
      traceId: this.traceId,
      spans: this.spans
    });
  }
}

// 使用示例
export default {
  async fetch(request, env, ctx) {
    const logger = new Logger(env);
    const tracer = new RequestTracer();

    const mainSpan = tracer.startSpan('handle_request');

    try {
      // 记录请求
      await logger.log('INFO', 'Request received', {
        method: request.method,
        url: request.url,
        headers: Object.fromEntries(request.headers)
      });

      // 处理请求
      const dbSpan = tracer.startSpan('database_query');
      const data = await env.DB.prepare('SELECT * FROM users').all();
      tracer.endSpan(dbSpan);

      // 记录指标
      await logger.metric('request_count', 1, {
        endpoint: new URL(request.url).pathname
      });

      tracer.endSpan(mainSpan);

      // 异步刷新追踪数据
      ctx.waitUntil(tracer.flush(env));

      return new Response(JSON.stringify(data));

    } catch (error) {
      tracer.endSpan(mainSpan, 'error');
      await logger.error('Request failed', error, {
        url: request.url
      });

      throw error;
    }
  }
};
