import { EcommerceSystem } from './commerce.js';

export { ShoppingCart } from './commerce.js';

class Shop extends EcommerceSystem {
  async getInventory(productId, env) {
    return env.DB.prepare('SELECT count FROM stock WHERE product_id = ?').bind(productId).first('count');
  }

  async checkInventory(productId, quantity, env) {
    return await this.getInventory(productId, env) >= quantity;
  }

  getUserId(request) {
    return request.headers.get('X-User');
  }

  async calculateDiscount({ coupon }) {
    return coupon === 'TEN' ? 10 : 0;
  }
}

const TABLES = {
  orders: 'SELECT id, user_id, total, status FROM orders ORDER BY rowid',
  transactions: 'SELECT * FROM transactions ORDER BY rowid',
  payments: 'SELECT * FROM payments ORDER BY rowid',
};

export default {
  // /products/<id>, /cart/… of the cart, POST /orders, /recommendations; GET /_<table> looks behind it.
  async fetch(request, env) {
    const url = new URL(request.url);
    const shop = new Shop();
    const [, area] = url.pathname.split('/');
    switch (area) {
      case 'products':
        return shop.handleProduct(request, env);
      case 'cart':
        url.pathname = url.pathname.slice('/cart'.length);
        return shop.handleCart(new Request(url, request), env);
      case 'orders':
        try {
          return Response.json(await shop.createOrder(await request.json(), env), { status: 202 });
        } catch (error) {
          return Response.json({ error: error.message }, { status: 409 });
        }
      case 'recommendations':
        return Response.json(await shop.getRecommendations(shop.getUserId(request), env));
      default:
        if (!TABLES[area.slice(1)]) return new Response('Not Found', { status: 404 });
        return Response.json((await env.DB.prepare(TABLES[area.slice(1)]).all()).results);
    }
  },

  // Stands for the workers of the order desk, the warehouse and the bank.
  async queue(batch, env) {
    for (const { body } of batch.messages) {
      switch (body.action) {
        case 'CREATE':
          await new Shop().createOrder(body, env);
          break;
        case 'RESERVE':
          await env.DB.batch(body.items.flatMap(({ productId, quantity }) => [
            env.DB.prepare('UPDATE stock SET count = count - ? WHERE product_id = ?').bind(quantity, productId),
            env.DB.prepare('INSERT INTO order_items VALUES (?, ?)').bind(body.orderId, productId),
          ]));
          break;
        case 'CHARGE':
          await env.DB.prepare('INSERT INTO payments VALUES (?, ?, ?)')
            .bind(body.orderId, body.amount, body.paymentMethod ?? null)
            .run();
      }
    }
  },
};
