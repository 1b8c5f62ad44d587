// One object: what it is, what it looks like as far as that runs nothing, and its bytes.
import { Button, Drawer, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useEffect, useState } from "react";

import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { hex, imageType, textOf } from "../ui/content";
import { EndButton } from "../ui/EndButton";
import { Facts, type Fact } from "../ui/Facts";
import { bytes, moment } from "../ui/format";
import { Shown } from "../ui/Shown";
import { Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { download } from "../ui/transfer";
import { contentQuery, place, removeObjects, type R2Object } from "./api";
import { useR2Text } from "./strings";

interface Place {
  account: string;
  bucket: string;
}

export function ObjectDrawer(props: Place & { object: R2Object | undefined; onClose: () => void; onGone: () => void }) {
  const w = useWords();
  const { object } = props;
  return (
    <Drawer
      opened={object !== undefined}
      onClose={props.onClose}
      position="right"
      size="xl"
      title={
        <Text fw={600} component="span" className="mono" style={{ overflowWrap: "anywhere" }}>
          {object?.key}
        </Text>
      }
      closeButtonProps={{ "aria-label": w("close") }}
    >
      {object !== undefined && <Details {...props} object={object} />}
    </Drawer>
  );
}

function Details(props: Place & { object: R2Object; onClose: () => void; onGone: () => void }) {
  const t = useR2Text();
  const asked = useAsked();
  const may = useMay("r2_items");
  const { account, bucket, object } = props;
  const name = object.key.split("/").at(-1) ?? object.key;
  const http = Object.entries(object.http_metadata);
  const own = Object.entries(object.custom_metadata);

  async function remove() {
    const question = {
      title: t("deleteOne.title", { name }),
      lost: t("deleteOne.lost", { size: bytes(object.size) }),
      action: t("deleteOne.action"),
    };
    await asked(question, async () => {
      await removeObjects(account, bucket, [object.key]);
      done(t("deletedMany", { count: 1 }));
      props.onGone();
      props.onClose();
    });
  }

  const facts: Fact[] = [
    [t("size"), bytes(object.size)],
    [t("modified"), moment(object.last_modified)],
    [t("class"), object.storage_class],
    [t("etag"), <code key="etag">{object.etag}</code>],
  ];
  return (
    <Stack>
      <Facts facts={facts} />
      <Group>
        <Button leftSection={<Download size={13} />} onClick={() => download(place(account, bucket, object.key), name)}>
          {t("download")}
        </Button>
        {may && <EndButton label={t("deleteOne.action")} onClick={() => void remove()} />}
      </Group>
      <Preview account={account} bucket={bucket} object={object} />
      <Part title={t("metadata")} entries={http} />
      <Part title={t("metadata.own")} entries={own} />
    </Stack>
  );
}

function Part(props: { title: string; entries: [string, unknown][] }) {
  const t = useR2Text();
  return (
    <div>
      <Text fw={500} fz="sm" mb={4}>
        {props.title}
      </Text>
      {props.entries.length === 0 ? (
        <Text c="dimmed" fz="sm">
          {t("metadata.none")}
        </Text>
      ) : (
        <Facts facts={props.entries.map(([name, value]) => [name, String(value)])} />
      )}
    </div>
  );
}

function Preview(props: Place & { object: R2Object }) {
  const t = useR2Text();
  const { account, bucket, object } = props;
  const image = imageType(object.http_metadata.contentType);
  const content = useQuery(contentQuery(account, bucket, object, image !== undefined));
  return (
    <div>
      <Text fw={500} fz="sm" mb={4}>
        {t("preview")}
      </Text>
      <Loaded query={content} rows={3}>
        {(data) => {
          if (image !== undefined && data.length === object.size) return <Picture data={data} type={image} name={object.key} />;
          const partial = data.length < object.size;
          // A piece of text may end within a letter: up to three bytes are left out.
          const text = [0, 1, 2, 3].map((cut) => textOf(data.subarray(0, data.length - (partial ? cut : 0)))).find((one) => one !== undefined);
          return (
            <Stack gap={6}>
              {text === undefined && (
                <Text c="dimmed" fz="sm">
                  {t("preview.none")}
                </Text>
              )}
              {text !== undefined && partial && (
                <Text c="dimmed" fz="sm">
                  {t("preview.large")}
                </Text>
              )}
              <Shown text={text ?? hex(data, 512)} label={t("preview")} tall={420} />
            </Stack>
          );
        }}
      </Loaded>
    </div>
  );
}

/** A picture of bytes that the page holds, under a type that no browser runs. */
function Picture(props: { data: Uint8Array<ArrayBuffer>; type: string; name: string }) {
  const { data, type } = props;
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([data], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [data, type]);
  return url === undefined ? null : <img src={url} alt={props.name} style={{ maxWidth: "100%", maxHeight: 420, borderRadius: 6 }} />;
}
