// The guide's producer (its lines 496-519). Where it cannot run as written, a comment says what differs.
import { other } from './rest.js';

// 生产者 - 发送消息
export default {
  async fetch(request, env) {
    // Differs: what the consumers did is not to be seen there, and only e-mails are sent.
    if (new URL(request.url).pathname !== '/') return other(request, env);

    const data = await request.json();

    // 发送单个消息
    await env.MY_QUEUE.send({
      type: 'email',
      to: data.email,
      subject: 'Welcome!',
      timestamp: Date.now()
    });

    // 批量发送
    // Differs: `users` there, which is not declared.
    const messages = data.users.map(user => ({
      body: { userId: user.id, action: 'notify' },
      delaySeconds: 60 // 延迟 60 秒
    }));
    await env.MY_QUEUE.sendBatch(messages);

    return new Response('Queued');
  }
};
