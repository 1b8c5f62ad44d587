import page from "./index.html";
import style from "./style.css.txt";

const files = {
  "/": [page, "text/html; charset=utf-8"],
  "/style.css": [style, "text/css; charset=utf-8"],
};

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const file = files[pathname];
    if (file === undefined) return new Response("Not found\n", { status: 404 });
    const [content, type] = file;
    return new Response(content, {
      headers: { "Content-Type": type, "Cache-Control": "public, max-age=300" },
    });
  },
};
