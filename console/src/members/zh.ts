import type { Translated } from "../i18n";
import type { en } from "./en";

export const zh: Translated<typeof en> = {
  title: "成员",
  text: "谁可以在此账户中工作，以何种身份。",
  find: "查找成员",
  email: "邮箱地址",
  role: "角色",
  roles: "各角色的权限",
  state: "状态",
  "state.accepted": "成员",
  "state.pending": "已邀请",
  "empty.title": "还没有成员",
  "empty.text": "用邮箱地址邀请成员；对方登录后即可看到此账户。",
  invite: "邀请成员",
  "invite.hint": "尚未在此登录的人从此为账户所知；由管理者在“用户”中提供设置密码的链接。",
  invited: "已邀请 {{email}}。",
  changed: "{{email}} 的角色已更改。",
  change: "{{email}} 的角色",
  remove: "移除 {{email}}",
  "remove.lost": "{{email}} 将看不到此账户的任何内容。其部署的内容和 API 令牌会保留。",
  "remove.action": "移除成员",
  removed: "{{email}} 不再是成员。",
  "role.owner": "所有者",
  "role.admin": "管理员",
  "role.developer": "开发者",
  "role.viewer": "查看者",
};
