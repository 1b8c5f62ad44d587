import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "配额",
  text: "此账户的上限与当前用量。达到上限的请求会被拒绝并说明原因，已有内容不受影响。",
  workers: "Worker、函数与 Pages 项目",
  instances: "运行中的进程",
  memory_mb: "进程内存",
  storage_mb: "存储",
  requests_per_minute: "每分钟请求数",
  none: "不限",
  used: "已用 {{used}}，上限 {{limit}}",
  usedOnly: "已用 {{used}}",
  everybody: "与所有账户相同",
  own: "为此账户单独设置",
  change: "更改上限",
  save: "保存上限",
  saved: "新的上限已生效。",
  "way.default": "与所有账户相同",
  "way.none": "不限",
  "way.own": "最多",
  limit: "{{name}}：最多",
  mib: "MiB",
  readonly: "由此安装的管理者设置。",
};
