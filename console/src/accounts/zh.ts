import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "账户管理",
  text: "每个账户有各自的 Worker、数据、成员与限制，其他账户无法看到。",
  find: "查找账户",
  name: "名称",
  id: "标识",
  created: "创建时间",
  new: "创建账户",
  create: "创建账户",
  "empty.title": "还没有账户",
  "empty.text": "请创建一个账户，并邀请成员加入。",
  "name.hint": "团队或用途，例如：支付",
  made: "已创建 {{name}}。",
  menu: "管理 {{name}}",
  rename: "重命名",
  "rename.title": "重命名 {{name}}",
  renamed: "现名称为 {{name}}。",
  quotas: "配额",
  delete: "删除",
  "delete.title": "删除 {{name}}",
  "delete.lost": "账户 {{name}} 及其成员关系和 API 令牌将被删除。账户须为空：请先删除 Worker 与数据。",
  "delete.action": "删除账户",
  deleted: "{{name}} 已删除。",
};
