import { connect } from "./connect";

interface Never {
  used: string;
}

export const pool: Never = connect("at start");

export default { fetch: () => new Response("never") };
