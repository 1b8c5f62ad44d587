let seen = [];

export default {
  fetch: () => Response.json(seen),
  async scheduled(controller, env, ctx) {
    if (controller.cron === "0 0 L * *") throw new Error("the month is over");
    ctx.waitUntil(scheduler.wait(20).then(() => seen.push([controller.cron, controller.scheduledTime])));
  },
};
