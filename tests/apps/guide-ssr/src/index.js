// The guide's Oxygen and Hydrogen samples (its lines 1925-1985), as written. `rest.js` has what they leave out.
import {
  PRODUCT_QUERY,
  checkInventory,
  getProduct,
  getRecommendations,
  json,
  localizePrice,
  renderProductPage,
} from './rest.js';

// Shopify 的 Oxygen 平台（基于 Workers）

// 产品页面渲染
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const productHandle = url.pathname.split('/').pop();

    // 1. 获取产品数据
    const product = await getProduct(productHandle, env);

    // 2. 个性化推荐
    const recommendations = await getRecommendations(
      product,
      request.headers.get('CF-IPCountry'),
      env
    );

    // 3. 库存检查
    const inventory = await checkInventory(
      product.variants,
      env
    );

    // 4. 价格本地化
    const prices = localizePrice(
      product.price,
      request.headers.get('CF-IPCountry')
    );

    // 5. 渲染 HTML
    const html = renderProductPage({
      product,
      recommendations,
      inventory,
      prices
    });

    return new Response(html, {
      headers: {
        'Content-Type': 'text/html',
        'Cache-Control': 'public, max-age=300'
      }
    });
  }
};

// Hydrogen (Shopify 的 React 框架) 集成
export async function loader({ request, env }) {
  const { storefront } = env;

  // GraphQL 查询
  const { product } = await storefront.query(
    PRODUCT_QUERY,
    {
      variables: { handle: request.params.handle }
    }
  );

  return json({ product });
}
