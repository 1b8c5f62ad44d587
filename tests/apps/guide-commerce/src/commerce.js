// The guide's EcommerceSystem and ShoppingCart (its lines 1534-1759). `rest.js` and `index.js` have what they leave out; where
// they cannot run as written, a comment says what differs.
import { OrderTransaction } from './rest.js';

// 完整电商系统架构
export class EcommerceSystem {
  // 产品服务
  async handleProduct(request, env) {
    const url = new URL(request.url);
    const productId = url.pathname.split('/').pop();

    if (request.method === 'GET') {
      // 获取产品信息（带缓存）
      const cacheKey = `product:${productId}`;
      let product = await env.KV.get(cacheKey, 'json');

      if (!product) {
        product = await env.DB.prepare(
          'SELECT * FROM products WHERE id = ?'
        ).bind(productId).first();

        // 缓存产品信息
        await env.KV.put(cacheKey, JSON.stringify(product), {
          expirationTtl: 3600
        });
      }

      // 实时库存查询
      const inventory = await this.getInventory(productId, env);

      return new Response(JSON.stringify({
        ...product,
        inventory
      }));
    }
  }

  // 购物车服务（使用 Durable Object）
  async handleCart(request, env) {
    const userId = await this.getUserId(request);
    const cartId = env.CART.idFromName(userId);
    const cart = env.CART.get(cartId);

    return cart.fetch(request);
  }

  // 订单处理
  async createOrder(orderData, env) {
    const orderId = crypto.randomUUID();

    // 开始事务
    const transaction = new OrderTransaction(orderId);

    try {
      // 1. 验证库存
      await transaction.step('VALIDATE_INVENTORY', async () => {
        for (const item of orderData.items) {
          const available = await this.checkInventory(
            item.productId,
            item.quantity,
            env
          );

          if (!available) {
            throw new Error(`Product ${item.productId} out of stock`);
          }
        }
      });

      // 2. 计算价格
      const total = await transaction.step('CALCULATE_TOTAL', async () => {
        let sum = 0;
        for (const item of orderData.items) {
          const product = await env.DB.prepare(
            'SELECT price FROM products WHERE id = ?'
          ).bind(item.productId).first();

          sum += product.price * item.quantity;
        }

        // 应用折扣
        const discount = await this.calculateDiscount(orderData, env);

        return sum - discount;
      });

      // 3. 创建订单记录
      await transaction.step('CREATE_ORDER', async () => {
        await env.DB.prepare(`
          INSERT INTO orders (id, user_id, total, status, data)
          VALUES (?, ?, ?, 'pending', ?)
        `).bind(
          orderId,
          orderData.userId,
          total,
          JSON.stringify(orderData)
        ).run();
      });

      // 4. 扣减库存
      await transaction.step('RESERVE_INVENTORY', async () => {
        await env.INVENTORY_QUEUE.send({
          action: 'RESERVE',
          orderId,
          items: orderData.items
        });
      });

      // 5. 处理支付
      await transaction.step('PROCESS_PAYMENT', async () => {
        await env.PAYMENT_QUEUE.send({
          action: 'CHARGE',
          orderId,
          amount: total,
          paymentMethod: orderData.paymentMethod
        });
      });

      await transaction.commit(env);

      return { orderId, total, status: 'processing' };

    } catch (error) {
      await transaction.rollback(env);
      throw error;
    }
  }

  // 推荐系统
  async getRecommendations(userId, env) {
    // 获取用户历史
    const history = await env.DB.prepare(`
      SELECT p.category, COUNT(*) as count
      FROM orders o
      JOIN order_items oi ON o.id = oi.order_id
      JOIN products p ON oi.product_id = p.id
      WHERE o.user_id = ?
      GROUP BY p.category
      ORDER BY count DESC
      LIMIT 5
    `).bind(userId).all();

    // 基于历史推荐
    const categories = history.results.map(h => h.category);

    const recommendations = await env.DB.prepare(`
      SELECT * FROM products
      WHERE category IN (${categories.map(() => '?').join(',')})
      AND id NOT IN (
        SELECT DISTINCT product_id
        FROM order_items oi
        JOIN orders o ON oi.order_id = o.id
        WHERE o.user_id = ?
      )
      ORDER BY sales_rank DESC
      LIMIT 10
    `).bind(...categories, userId).all();

    return recommendations.results;
  }
}

// 购物车 Durable Object
export class ShoppingCart {
  constructor(state, env) {
    this.state = state;
    this.env = env;
  }

  async fetch(request) {
    const url = new URL(request.url);
    const method = request.method;

    switch (`${method} ${url.pathname}`) {
      case 'GET /':
        return this.getCart();
      case 'POST /add':
        return this.addItem(await request.json());
      case 'DELETE /remove':
        return this.removeItem(await request.json());
      case 'POST /checkout':
        return this.checkout();
      default:
        return new Response('Not Found', { status: 404 });
    }
  }

  async getCart() {
    const items = await this.state.storage.get('items') || [];
    return new Response(JSON.stringify({ items }));
  }

  async addItem(item) {
    const items = await this.state.storage.get('items') || [];

    const existing = items.find(i => i.productId === item.productId);
    if (existing) {
      existing.quantity += item.quantity;
    } else {
      items.push(item);
    }

    await this.state.storage.put('items', items);

    return new Response(JSON.stringify({ success: true, items }));
  }

  // Differs: it is called there, and is not there.
  async removeItem({ productId }) {
    const items = (await this.state.storage.get('items') || []).filter(i => i.productId !== productId);
    await this.state.storage.put('items', items);
    return new Response(JSON.stringify({ success: true, items }));
  }

  async checkout() {
    const items = await this.state.storage.get('items') || [];

    if (items.length === 0) {
      return new Response('Cart is empty', { status: 400 });
    }

    // 创建订单
    await this.env.ORDER_QUEUE.send({
      action: 'CREATE',
      items,
      userId: this.state.id.name
    });

    // 清空购物车
    await this.state.storage.delete('items');

    return new Response(JSON.stringify({
      success: true,
      message: 'Order created'
    }));
  }
}
