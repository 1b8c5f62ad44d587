// An instance takes numbered steps, and writes into KV when one begins to run: `ran/<instance>/<step>/<time>/<unique>`. The
// last one leaves `done/<instance>/<what its events brought>`.
import { WorkflowEntrypoint } from "cloudflare:workers";

// A process that is killed while a step runs costs it one attempt.
const RETRIES = { limit: 10_000, delay: 20, backoff: "constant" };
const EVENTS = ["first", "second"];

export class Torture extends WorkflowEntrypoint {
  async run({ payload, instanceId }, step) {
    let number = 0;
    const act = async (act) => {
      const name = String(++number);
      await step.do(name, { retries: RETRIES }, async ({ attempt }) => {
        const time = String(Date.now()).padStart(15, "0");
        await this.env.LEDGER.put(`ran/${instanceId}/${name}/${time}/${crypto.randomUUID()}`, "");
        return act?.({ attempt });
      });
    };
    await act();
    await act(({ attempt }) => {
      if (attempt === 1) throw new Error("the first attempt fails");
    });
    await step.sleep("nap", payload.sleep);
    const brought = [];
    if (payload.events) {
      for (const type of EVENTS) {
        const { payload } = await step.waitForEvent(type, { type, timeout: "1 hour" });
        brought.push(payload);
        await act();
      }
    }
    await act(() => scheduler.wait(payload.work));
    await act(() => this.env.LEDGER.put(`done/${instanceId}/${brought.join("+")}`, ""));
  }
}

export default {
  async fetch(request, env) {
    const [, operation, id, type] = new URL(request.url).pathname.split("/");
    if (operation === "create") {
      await env.TORTURE.create({ id, params: await request.json() });
    } else {
      const instance = await env.TORTURE.get(id);
      await instance.sendEvent({ type, payload: `${type} of ${id}` });
    }
    return new Response("done");
  },
};
