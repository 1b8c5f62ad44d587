import { Stack } from "@mantine/core";
import { useParams } from "@tanstack/react-router";

import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { Facts } from "../../ui/Facts";
import { Page, Section } from "../../ui/Page";
import { To } from "../../ui/To";
import { Cors } from "./Cors";
import { Lifecycle } from "./Lifecycle";
import { Locks } from "./Locks";
import { Notifications } from "./Notifications";
import { Public } from "./Public";
import { useSettingsText } from "./strings";

/** How a bucket is set: who reaches it, and what becomes of its objects. */
export function Settings() {
  const t = useSettingsText();
  const account = useAccount();
  const { bucket = "" } = useParams({ strict: false });
  const of = { account, bucket };
  return (
    <Page
      title={t("title")}
      crumbs={[
        { label: t("buckets"), to: `/a/${account}/r2` },
        { label: bucket, to: `/a/${account}/r2/${bucket}` },
      ]}
    >
      <Stack gap="xl">
        <Public of={of} />
        <Cors of={of} />
        <Lifecycle of={of} />
        <Locks of={of} />
        <Notifications of={of} />
        <Section
          title={t("s3")}
          text={t("s3.text")}
          actions={
            <To to="/a/$account/tokens" params={{ account }}>
              {t("s3.keys")}
            </To>
          }
        >
          <Facts
            facts={[
              [t("s3.endpoint"), t("s3.endpoint.text")],
              [t("s3.region"), <code key="region">auto</code>],
              [t("s3.bucket"), <code key="bucket">{bucket}</code>],
            ]}
          />
        </Section>
      </Stack>
      <Commands
        lines={[
          `npx wrangler r2 bucket dev-url enable ${bucket}`,
          `npx wrangler r2 bucket domain add ${bucket} --domain files.example.com --zone-id $ZONE`,
          `npx wrangler r2 bucket cors set ${bucket} --file cors.json`,
          `npx wrangler r2 bucket lifecycle add ${bucket} old-logs logs/ --expire-days 30`,
          `npx wrangler r2 bucket lock add ${bucket} contracts contracts/ --retention-days 365`,
          `npx wrangler r2 bucket notification create ${bucket} --event-type object-create --queue QUEUE`,
          `AWS_ACCESS_KEY_ID=$TOKEN_ID AWS_SECRET_ACCESS_KEY=$(printf %s "$TOKEN" | sha256sum | cut -d" " -f1) \\\n  aws s3 ls s3://${bucket} --region auto --endpoint-url http://localhost:8788`,
        ]}
      />
    </Page>
  );
}
