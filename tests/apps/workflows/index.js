import { WorkflowEntrypoint } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";

// Counts how often a step's code really ran: a step that completed must not run again.
async function ran(env, instance, step) {
  const key = `${instance}/${step}`;
  await env.COUNTS?.put(key, String(Number((await env.COUNTS.get(key)) ?? 0) + 1));
}

export class Order extends WorkflowEntrypoint {
  async run(event, step) {
    const { payload, instanceId } = event;
    const price = await step.do("price", async () => {
      await ran(this.env, instanceId, "price");
      return payload.count * 2;
    });
    const retries = { limit: 3, delay: 50, backoff: "constant" };
    const charged = await step.do("charge", { retries }, async ({ attempt }) => {
      if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
      return attempt;
    });
    if (payload.sleep) await step.sleep("rest", payload.sleep);
    if (payload.work) {
      await step.do("work", async ({ attempt }) => {
        await ran(this.env, instanceId, "work");
        if (attempt === 1) await scheduler.wait(payload.work);
      });
    }
    let approval = null;
    if (!payload.unattended) {
      const event = await step.waitForEvent("approval", { type: "approval", timeout: "10 minutes" });
      approval = event.payload;
    }
    await step.do("ship", async () => ran(this.env, instanceId, "ship"));
    return { price, charged, approval, workflow: event.workflowName };
  }
}

export class Failing extends WorkflowEntrypoint {
  async run(event, step) {
    await step.do("never", async () => {
      throw new NonRetryableError("out of stock");
    });
  }
}

const OPERATIONS = {
  create: async (workflow, id, body) => workflow.create({ id, params: body }),
  batch: async (workflow, id, body) => (await workflow.createBatch(body)).map((one) => one.id),
  status: async (workflow, id) => (await workflow.get(id)).status(),
  event: async (workflow, id, body) => (await workflow.get(id)).sendEvent(body),
  pause: async (workflow, id) => (await workflow.get(id)).pause(),
  resume: async (workflow, id) => (await workflow.get(id)).resume(),
  restart: async (workflow, id) => (await workflow.get(id)).restart(),
  terminate: async (workflow, id) => (await workflow.get(id)).terminate(),
  count: async (_workflow, key, _body, env) => env.COUNTS.get(key),
};

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const workflow = searchParams.get("workflow") === "failing" ? env.FAILING : env.ORDER;
    const body = request.method === "POST" ? await request.json() : undefined;
    try {
      const result = await OPERATIONS[pathname.slice(1)](workflow, searchParams.get("id") ?? undefined, body, env);
      return Response.json({ result: result ?? null });
    } catch (error) {
      return Response.json({ error: error.message }, { status: 400 });
    }
  },
};
