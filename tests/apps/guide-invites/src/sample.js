// The guide's invite links (its lines 1871-1919), as written.

// Discord 如何使用 Workers 处理邀请链接

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const inviteCode = url.pathname.slice(1);

    // 1. 验证邀请码
    const invite = await env.KV.get(`invite:${inviteCode}`, 'json');

    if (!invite) {
      return Response.redirect('https://discord.com/404');
    }

    // 2. 检查邀请是否过期
    if (invite.expiresAt && Date.now() > invite.expiresAt) {
      await env.KV.delete(`invite:${inviteCode}`);
      return Response.redirect('https://discord.com/expired');
    }

    // 3. 记录分析数据
    await env.ANALYTICS.send({
      event: 'invite_clicked',
      inviteCode,
      referrer: request.headers.get('referer'),
      userAgent: request.headers.get('user-agent'),
      timestamp: Date.now()
    });

    // 4. 更新使用次数
    if (invite.maxUses) {
      invite.uses = (invite.uses || 0) + 1;
      if (invite.uses >= invite.maxUses) {
        await env.KV.delete(`invite:${inviteCode}`);
      } else {
        await env.KV.put(
          `invite:${inviteCode}`,
          JSON.stringify(invite)
        );
      }
    }

    // 5. 重定向到 Discord 应用
    return Response.redirect(
      `discord://invite/${inviteCode}`,
      302
    );
  }
};
