// pages/functions/api/[[route]].js
// Pages Functions - 为静态网站添加动态功能

export async function onRequest(context) {
  const {
    request,    // HTTP 请求
    env,        // 环境变量
    params,     // URL 参数
    waitUntil,  // 延长执行时间
    next,       // 中间件链
    data,       // 共享数据
  } = context;
  
  // 处理 API 请求
  const url = new URL(request.url);
  
  if (url.pathname.startsWith('/api/')) {
    return handleAPI(request, env);
  }
  
  // 继续处理静态资源
  return next();
}

// What the guide leaves out.
function handleAPI(request, env) {
  const { pathname } = new URL(request.url);
  return Response.json({ pathname, method: request.method, user: request.headers.get("x-user") });
}
