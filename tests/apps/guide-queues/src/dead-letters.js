// The guide's consumer of dead letters (its lines 554-567). Where it cannot run as written, a comment says what differs.

// 死信队列处理
export default {
  async queue(batch, env) {
    // 处理失败的消息
    for (const message of batch.messages) {
      await env.DB.prepare(
        'INSERT INTO failed_messages (body, error, timestamp) VALUES (?, ?, ?)'
      ).bind(
        JSON.stringify(message.body),
        // Differs: `message.error` there. A message has none, and D1 takes no undefined.
        message.error ?? null,
        new Date().toISOString()
      ).run();

      message.ack();
    }
  }
};
