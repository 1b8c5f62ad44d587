import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  range: "时段",
  "range.hour": "1 小时",
  "range.day": "24 小时",
  "range.week": "7 天",
  "range.month": "30 天",
  requests: "请求数",
  errors: "错误",
  serverErrors: "5xx 响应",
  disconnects: "客户端断开",
  errorRate: "错误率",
  latency: "延迟",
  p50: "p50",
  p95: "p95",
  p99: "p99",
  coldStarts: "冷启动",
  deaths: "异常退出的进程",
  cpu: "CPU 时间",
  "cpu.perRequest": "每请求",
  memory: "内存峰值",
  sent: "已发送",
  subrequests: "子请求",
  perMinute: "每分钟 {{count}}",
  "quiet.title": "该时段内没有活动",
  "quiet.text": "首个请求后一分钟内会出现数据。",
};
