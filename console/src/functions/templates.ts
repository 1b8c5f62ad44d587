// What a new function begins with. They say the same in each language.
export type Runtime = "nodejs" | "typescript" | "python" | "go";
export type Template = "hello" | "data" | "slow";

export const TEMPLATES: Record<Runtime, Record<Template, string>> = {
  nodejs: {
    hello: `function handler(event, context) {
  console.log("called with", event);
  return { message: \`Hello \${event?.name ?? "world"}\`, request: context.request_id };
}
`,
    data: `function handler(event) {
  const data = event?.data ?? [];
  if (data.length === 0) return { error: "no data" };
  const sum = data.reduce((all, one) => all + one, 0);
  return { count: data.length, sum, average: sum / data.length };
}
`,
    slow: `async function handler(event) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { waited_ms: 100, event };
}
`,
  },
  typescript: {
    hello: `interface Greeting {
  name?: string;
}

function handler(event: Greeting | null, context: Record<string, unknown>) {
  console.log("called with", event);
  return { message: \`Hello \${event?.name ?? "world"}\`, request: context.request_id };
}
`,
    data: `function handler(event: { data?: number[] } | null) {
  const data: number[] = event?.data ?? [];
  if (data.length === 0) return { error: "no data" };
  const sum = data.reduce((all, one) => all + one, 0);
  return { count: data.length, sum, average: sum / data.length };
}
`,
    slow: `async function handler(event: unknown): Promise<unknown> {
  await new Promise<void>((resolve) => setTimeout(resolve, 100));
  return { waited_ms: 100, event };
}
`,
  },
  python: {
    hello: `def handler(event, context):
    print("called with", event)
    name = (event or {}).get("name", "world")
    return {"message": f"Hello {name}", "request": context["request_id"]}
`,
    data: `import statistics


def handler(event, context):
    data = (event or {}).get("data", [])
    if not data:
        return {"error": "no data"}
    return {"count": len(data), "mean": statistics.mean(data), "median": statistics.median(data)}
`,
    slow: `import asyncio


async def handler(event, context):
    await asyncio.sleep(0.1)
    return {"waited_ms": 100, "event": event}
`,
  },
  go: {
    hello: `func handler(event interface{}, context map[string]string) interface{} {
	return map[string]interface{}{
		"message": "Hello from Go",
		"event":   event,
		"request": context["request_id"],
	}
}
`,
    data: `func handler(event interface{}, context map[string]string) interface{} {
	fields, _ := event.(map[string]interface{})
	data, _ := fields["data"].([]interface{})
	sum := 0.0
	for _, value := range data {
		number, _ := value.(float64)
		sum += number
	}
	return map[string]interface{}{"count": len(data), "sum": sum}
}
`,
    slow: `import "time"

func handler(event interface{}, context map[string]string) interface{} {
	time.Sleep(100 * time.Millisecond)
	return map[string]interface{}{"waited_ms": 100, "event": event}
}
`,
  },
};

export const ROUTED = `function handler(request, { env }) {
  const url = new URL(request.url);
  return {
    message: \`Hello \${url.searchParams.get("name") ?? "world"}\`,
    method: request.method,
  };
}
`;

export const VERSIONED = `export default {
  async fetch(request, env) {
    return Response.json({ message: "Hello", path: new URL(request.url).pathname });
  },
};
`;

export const EVENTS: Record<Template, string> = {
  hello: '{\n  "name": "Hearth"\n}',
  data: '{\n  "data": [1, 2, 3, 4]\n}',
  slow: '{\n  "any": "thing"\n}',
};
