// The guide's ChatRoom (its lines 227-288), as written.

// Durable Object 类定义
export class ChatRoom {
  constructor(state, env) {
    this.state = state;
    this.env = env;
    // 恢复持久化状态
    this.state.blockConcurrencyWhile(async () => {
      this.messages = await this.state.storage.get('messages') || [];
    });
  }

  async fetch(request) {
    const url = new URL(request.url);

    switch (url.pathname) {
      case '/websocket':
        return this.handleWebSocket(request);
      case '/messages':
        return new Response(JSON.stringify(this.messages));
      default:
        return new Response('Not Found', { status: 404 });
    }
  }

  async handleWebSocket(request) {
    const pair = new WebSocketPair();
    const [client, server] = Object.values(pair);

    this.state.acceptWebSocket(server);

    return new Response(null, {
      status: 101,
      webSocket: client,
    });
  }

  async webSocketMessage(ws, message) {
    // 广播消息给所有连接
    const data = JSON.parse(message);
    this.messages.push(data);

    // 持久化消息
    await this.state.storage.put('messages', this.messages);

    // 广播给所有客户端
    this.state.getWebSockets().forEach(client => {
      client.send(message);
    });
  }
}

// Worker 中使用 Durable Object
export default {
  async fetch(request, env) {
    const roomId = 'global-chat';
    const id = env.CHAT_ROOM.idFromName(roomId);
    const room = env.CHAT_ROOM.get(id);

    // 将请求转发给 Durable Object
    return room.fetch(request);
  }
};
