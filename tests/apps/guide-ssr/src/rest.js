export function getProduct(handle, env) {
  return env.PRODUCTS.get(`product:${handle}`, 'json');
}

export async function getRecommendations(product, country, env) {
  const { results } = await env.DB.prepare(
    'SELECT title FROM recommendations WHERE tag = ? AND (country IS NULL OR country = ?) ORDER BY title'
  ).bind(product.tag, country ?? '').all();
  return results.map(row => row.title);
}

export async function checkInventory(variants, env) {
  const counts = await env.DB.batch(
    variants.map(variant => env.DB.prepare('SELECT count FROM stock WHERE variant = ?').bind(variant))
  );
  return Object.fromEntries(variants.map((variant, at) => [variant, counts[at].results[0]?.count ?? 0]));
}

export function localizePrice(price, country) {
  const [currency, factor] = { DE: ['EUR', 0.9], GB: ['GBP', 0.8] }[country] ?? ['USD', 1];
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(price * factor);
}

const escape = text => text.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`);

export function renderProductPage({ product, recommendations, inventory, prices }) {
  const rows = Object.entries(inventory).map(([variant, count]) => `<li>${escape(variant)}: ${count}</li>`);
  const others = recommendations.map(title => `<li>${escape(title)}</li>`);
  return `<!doctype html><title>${escape(product.title)}</title><b>${prices}</b><ul>${rows.join('')}</ul>`
    + `<ol>${others.join('')}</ol>`;
}

// ---- Hydrogen ----

export const PRODUCT_QUERY = 'query Product($handle: String!) { product(handle: $handle) { title } }';

export const json = value => Response.json(value);
