import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "Durable Objects",
  text: "拥有自己存储的对象，每个对象同一时间只在一处。命名空间由 Worker 的迁移创建。",
  class: "类",
  worker: "Worker",
  storage: "存储",
  engine: "引擎",
  "engine.sqlite": "SQLite",
  "engine.kv": "键值",
  id: "ID",
  find: "查找命名空间",
  "empty.title": "还没有命名空间",
  "empty.text": "在 Worker 中导出一个继承 DurableObject 的类，写入迁移并部署。",
  objects: "对象",
  stored: "已存数据",
  "stored.yes": "有",
  "stored.no": "无",
  shown_other: "显示 {{count}} 个对象",
  "shown.more": "显示 {{count}} 个对象，下方还有更多",
  findObject: "在其中查找 ID",
  "objects.empty.title": "没有对象存储过数据",
  "objects.empty.text": "对象存储过数据后才会列出。",
  unknown: "未知",
};
