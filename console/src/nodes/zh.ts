import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "节点与健康",
  text: "提供服务的机器，以及 hearth doctor 在每台机器上的检查结果。",
  "tier.full": "完全隔离",
  "tier.reduced": "部分隔离",
  "tier.none": "未隔离",
  version: "Hearth",
  kernel: "内核",
  listen: "监听地址",
  started: "启动时间",
  cpus: "处理器",
  memory: "内存",
  disk: "数据目录所在磁盘",
  free: "可用 {{free}}，共 {{total}}",
  unknown: "未知",
  findings: "检查结果",
  "findings.text": "为服务器启动时的结果；修复后需重新启动才会更新。",
  well_other: "{{count}} 项正常",
  amiss_other: "{{count}} 项需要处理",
  ok: "正常",
  notOk: "需要处理",
};
