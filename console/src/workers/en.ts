export const en = {
  title: "Workers",
  name: "Name",
  modified: "Last deployed",
  handlers: "Handlers",
  from: "Deployed from",
  filter: "Find a worker",
  "empty.title": "No workers yet",
  "empty.text": "Deploy a project with wrangler, or begin with a template here.",
  noVersion: "no version",
} as const;
