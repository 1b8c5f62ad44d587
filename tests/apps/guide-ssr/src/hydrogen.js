// Stands in for Hydrogen's server: it gives a loader the route's parameters, and a storefront to ask.
import { loader } from './index.js';
import { PRODUCT_QUERY, getProduct } from './rest.js';

const storefront = env => ({
  async query(query, { variables }) {
    if (query !== PRODUCT_QUERY) throw new Error('no such query');
    const product = await getProduct(variables.handle, env);
    return { product: product && { title: product.title } };
  },
});

export default {
  fetch(request, env) {
    request.params = { handle: new URL(request.url).pathname.split('/').pop() };
    return loader({ request, env: { ...env, storefront: storefront(env) } });
  },
};
