// Runs every five minutes. What it logs is seen by `hearth tail`.
let last = null;

export default {
  async scheduled(controller) {
    last = { cron: controller.cron, time: new Date(controller.scheduledTime).toISOString() };
    console.log("ran", last);
  },

  async fetch() {
    return Response.json({ last });
  },
};
