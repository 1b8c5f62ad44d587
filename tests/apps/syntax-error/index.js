export default {
  fetch() {
    // Wrangler's bundler does not look inside regular expressions, so this reaches the server.
    return new Response(String(/(unclosed/));
  },
};
