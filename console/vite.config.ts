import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` shows sources as they change, against the server that HEARTH_URL names.
const server = process.env.HEARTH_URL ?? "http://127.0.0.1:8787";
const proxied = ["/api", "/client", "/health", "/metrics", "/signed", "/stats", "/tail", "/oauth2", "/cdn-cgi"];

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // Every style and image stays a file: the page's policy knows no inline ones.
    assetsInlineLimit: 0,
    cssCodeSplit: true,
    reportCompressedSize: false,
    // The first chunk is what every page needs; tests/shell.spec.mjs holds its compressed size.
    chunkSizeWarningLimit: 800,
  },
  server: {
    proxy: Object.fromEntries(proxied.map((path) => [path, { target: server, ws: true, headers: { origin: server } }])),
  },
});
