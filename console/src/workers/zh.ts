import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "Workers",
  name: "名称",
  modified: "最近部署",
  handlers: "处理函数",
  from: "部署来源",
  filter: "查找 Worker",
  "empty.title": "还没有 Worker",
  "empty.text": "用 wrangler 部署项目，或在此从模板开始。",
  noVersion: "无版本",
};
