// One key with its value: read, written, deleted.
import { Alert, Button, Drawer, FileButton, Group, NumberInput, Progress, SegmentedControl, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Download, Upload } from "lucide-react";
import { useState } from "react";

import { key, queries } from "../api/query";
import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { hex, isJson, kindOf, textOf } from "../ui/content";
import { Editor } from "../ui/editor";
import { EndButton } from "../ui/EndButton";
import { Facts } from "../ui/Facts";
import { bytes as sized, moment } from "../ui/format";
import { Shown } from "../ui/Shown";
import { Failure, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { save } from "../ui/transfer";
import { removeKeys, valueQuery, write, type Value } from "./api";
import { useKvText } from "./strings";

/** Text that an editor takes without pause. */
const EDITED = 1 << 20;

interface Place {
  account: string;
  namespace: string;
}

export function ValueDrawer(props: Place & { opened: boolean; name?: string; onClose: () => void }) {
  const t = useKvText();
  const w = useWords();
  return (
    <Drawer
      opened={props.opened}
      onClose={props.onClose}
      position="right"
      size="xl"
      title={
        <Text fw={600} component="span" className={props.name === undefined ? undefined : "mono"}>
          {props.name ?? t("new.title")}
        </Text>
      }
      closeButtonProps={{ "aria-label": w("close") }}
    >
      {props.name === undefined ? <Fields {...props} /> : <Known {...props} name={props.name} />}
    </Drawer>
  );
}

function Known(props: Place & { name: string; onClose: () => void }) {
  const value = useQuery(valueQuery(props.account, props.namespace, props.name));
  return <Loaded query={value}>{(data) => <Fields key={props.name} {...props} value={data} />}</Loaded>;
}

type Ends = "keep" | "never" | "in";

function Fields(props: Place & { name?: string; value?: Value; onClose: () => void }) {
  const t = useKvText();
  const w = useWords();
  const asked = useAsked();
  const may = useMay("kv");
  const { account, namespace, value } = props;
  const kind = value === undefined ? "text" : kindOf(value.bytes);
  const large = value !== undefined && value.bytes.length > EDITED;
  const before = value === undefined || large ? "" : (textOf(value.bytes) ?? "");
  const [name, setName] = useState(props.name ?? "");
  const [text, setText] = useState(before);
  const [file, setFile] = useState<File | null>(null);
  const [metadata, setMetadata] = useState(value?.metadata == null ? "" : JSON.stringify(value.metadata, null, 2));
  const [ends, setEnds] = useState<Ends>(value?.expiration === undefined ? "never" : "keep");
  const [ttl, setTtl] = useState<number | string>(3600);
  const [share, setShare] = useState<number>();
  const [error, setError] = useState<unknown>();
  const metadataBad = metadata.trim() !== "" && !isJson(metadata);
  const typable = kind !== "binary" && !large;
  const ready = name !== "" && !metadataBad && (file !== null || typable);

  async function store() {
    setError(undefined);
    setShare(0);
    try {
      await write(account, namespace, name, {
        value: file ?? new Blob([text]),
        ...(metadata.trim() === "" ? {} : { metadata: JSON.parse(metadata) as unknown }),
        ...(ends === "in" ? { ttl: Number(ttl) } : {}),
        ...(ends === "keep" && value?.expiration !== undefined ? { expiration: value.expiration } : {}),
        onProgress: setShare,
      });
      done(t("saved", { key: name }));
      await queries.invalidateQueries({ queryKey: key(account, "kv", namespace) });
      props.onClose();
    } catch (refused) {
      setError(refused);
    } finally {
      setShare(undefined);
    }
  }

  async function remove() {
    const question = {
      title: t("deleteKey.title", { key: name }),
      lost: t("deleteKey.lost", { size: sized(value?.bytes.length ?? 0) }),
      action: t("deleteKey.action"),
    };
    await asked(question, async () => {
      await removeKeys(account, namespace, [name]);
      done(t("deletedKey", { key: name }));
      await queries.invalidateQueries({ queryKey: key(account, "kv", namespace, "keys") });
      props.onClose();
    });
  }

  const content = () => {
    if (file !== null) {
      return (
        <Alert color="gray" variant="light">
          <Group justify="space-between">
            {t("value.chosen", { name: file.name, size: sized(file.size) })}
            <Button variant="default" onClick={() => setFile(null)}>
              {t("value.text")}
            </Button>
          </Group>
        </Alert>
      );
    }
    if (value !== undefined && (kind === "binary" || large)) {
      const shown = kind === "binary" ? hex(value.bytes) : (textOf(value.bytes.slice(0, EDITED / 16)) ?? hex(value.bytes));
      return (
        <>
          <Text c="dimmed" fz="sm">
            {kind === "binary" ? t("value.binary") : t("value.large")}
          </Text>
          <Shown text={shown} label={t("value")} />
        </>
      );
    }
    return (
      <Editor
        label={t("value")}
        language={kind === "json" || isJson(text) ? "json" : "text"}
        value={text}
        onChange={setText}
        height="18rem"
        readOnly={!may}
        {...(may ? { onSubmit: () => void (ready && store()) } : {})}
      />
    );
  };

  const choices: { value: Ends; label: string }[] = [
    ...(value?.expiration === undefined ? [] : [{ value: "keep" as const, label: t("expiration.keep") }]),
    { value: "never", label: t("expiration.never") },
    { value: "in", label: t("expiration.in") },
  ];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (may && ready) void store();
      }}
    >
      <Stack>
        {value === undefined ? (
          <TextInput
            label={t("key")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            required
            data-autofocus
            spellCheck={false}
            autoComplete="off"
          />
        ) : (
          <Facts
            facts={[
              [t("size"), sized(value.bytes.length)],
              [t("kind"), t(`kind.${kind}`)],
              [t("expires"), value.expiration === undefined ? w("never") : moment(value.expiration * 1000)],
            ]}
          />
        )}
        <Stack gap={6}>
          <Group justify="space-between" gap="xs">
            <Text fz="sm" fw={500}>
              {t("value")}
            </Text>
            <Group gap={6}>
              {may && file === null && typable && isJson(text) && (
                <Button variant="subtle" color="gray" onClick={() => setText(JSON.stringify(JSON.parse(text), null, 2))}>
                  {t("value.format")}
                </Button>
              )}
              {may && (
                <FileButton onChange={setFile}>
                  {(own) => (
                    <Button variant="default" leftSection={<Upload size={13} />} {...own}>
                      {t("value.file")}
                    </Button>
                  )}
                </FileButton>
              )}
              {value !== undefined && (
                <Button
                  variant="default"
                  leftSection={<Download size={13} />}
                  onClick={() => save(value.bytes, name.split("/").at(-1) ?? name)}
                >
                  {t("download")}
                </Button>
              )}
            </Group>
          </Group>
          {content()}
        </Stack>
        <Textarea
          label={t("metadata")}
          description={t("metadata.text")}
          value={metadata}
          onChange={(event) => setMetadata(event.currentTarget.value)}
          readOnly={!may}
          error={metadataBad ? t("metadata.bad") : undefined}
          autosize
          minRows={1}
          maxRows={8}
          classNames={{ input: "mono" }}
          spellCheck={false}
        />
        {may && (
          <div>
            <Text fz="sm" fw={500} mb={4}>
              {t("expiration")}
            </Text>
            <Group gap="xs">
              <SegmentedControl
                size="xs"
                aria-label={t("expiration")}
                value={ends}
                onChange={(to) => setEnds(to as Ends)}
                data={choices}
              />
              {ends === "in" && (
                <NumberInput
                  aria-label={t("expiration.seconds")}
                  description={t("expiration.seconds")}
                  inputWrapperOrder={["input", "description"]}
                  value={ttl}
                  onChange={setTtl}
                  min={60}
                  allowDecimal={false}
                  w={200}
                />
              )}
            </Group>
          </div>
        )}
        {share !== undefined && <Progress value={share * 100} aria-label={t("save")} />}
        {error !== undefined && <Failure error={error} compact />}
        {may && (
          <Group justify="space-between">
            {value === undefined ? (
              <span />
            ) : (
              <EndButton label={t("deleteKey.action")} onClick={() => void remove()} />
            )}
            <Button type="submit" disabled={!ready} loading={share !== undefined}>
              {t("save")}
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}
