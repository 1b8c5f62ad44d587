import greet from "./greet.cjs";

export default { fetch: () => new Response(greet("CommonJS")) };
