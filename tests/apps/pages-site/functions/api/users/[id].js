export const onRequest = ({ params }) => Response.json(params);
