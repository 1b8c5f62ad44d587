// The guide's consumer (its lines 521-552), as written. `rest.js` has what it leaves out.
import { callWebhook, sendEmail, sendSMS } from './rest.js';

// 消费者 - 处理消息
export default {
  async queue(batch, env, ctx) {
    console.log(`Processing ${batch.messages.length} messages`);

    for (const message of batch.messages) {
      try {
        const { type, to, subject } = message.body;

        switch (type) {
          case 'email':
            await sendEmail(to, subject, env);
            break;
          case 'sms':
            await sendSMS(to, message.body.text, env);
            break;
          case 'webhook':
            await callWebhook(message.body.url, message.body.data);
            break;
        }

        // 确认消息已处理
        message.ack();
      } catch (error) {
        // 重试消息
        message.retry();
      }
    }
  }
};
