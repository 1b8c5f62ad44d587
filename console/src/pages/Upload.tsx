import { Alert, Anchor, Button, Group, Progress as Bar, Stack, Text, TextInput } from "@mantine/core";
import { Rocket } from "lucide-react";
import { useState } from "react";

import { Drop, type Dropped } from "../ui/Drop";
import { bytes } from "../ui/format";
import { Shown } from "../ui/Shown";
import { Failure } from "../ui/states";
import { deploy, rooted, type Deployment, type Progress, type Project } from "./api";
import { usePagesText } from "./strings";

/** Paths that are listed before the rest is a number. */
const LISTED = 200;

export function Upload(props: { account: string; project: Project }) {
  const t = usePagesText();
  const { account, project } = props;
  const [files, setFiles] = useState<Dropped[]>([]);
  const [branch, setBranch] = useState(project.production_branch);
  const [progress, setProgress] = useState<Progress>();
  const [made, setMade] = useState<Deployment>();
  const [error, setError] = useState<unknown>();

  async function go() {
    setError(undefined);
    setMade(undefined);
    try {
      setMade(await deploy(account, project.name, branch.trim(), files, setProgress));
      setFiles([]);
    } catch (refused) {
      setError(refused);
    } finally {
      setProgress(undefined);
    }
  }

  const paths = files.map(({ path }) => path);
  return (
    <Stack maw={720}>
      {made !== undefined && (
        <Alert color="teal" variant="light" role="status">
          <Anchor href={made.url} target="_blank" rel="noreferrer" c="inherit" style={{ overflowWrap: "anywhere" }}>
            {t("upload.done", { url: made.url })}
          </Anchor>
        </Alert>
      )}
      {files.length === 0 ? (
        <Drop text={t("upload.text")} button={t("upload.files")} folderButton={t("upload.folder")} onFiles={(taken) => setFiles(rooted(taken))} />
      ) : (
        <>
          <Group justify="space-between">
            <Text fw={500}>{t("upload.ready", { count: files.length, size: bytes(files.reduce((sum, { file }) => sum + file.size, 0)) })}</Text>
            <Button variant="subtle" color="gray" onClick={() => setFiles([])} disabled={progress !== undefined}>
              {t("upload.clear")}
            </Button>
          </Group>
          {!paths.includes("index.html") && !paths.includes("_worker.js") && (
            <Alert color="yellow" variant="light">
              {t("upload.index")}
            </Alert>
          )}
          <Shown label={t("upload.files")} text={paths.slice(0, LISTED).join("\n") + (paths.length > LISTED ? "\n…" : "")} tall={200} />
        </>
      )}
      <Text c="dimmed" fz="sm">
        {t("upload.functions")}
      </Text>
      <Group align="flex-end">
        <TextInput
          label={t("upload.branch")}
          description={t("upload.branch.text", { branch: project.production_branch })}
          value={branch}
          onChange={(event) => setBranch(event.currentTarget.value)}
          spellCheck={false}
          autoComplete="off"
          flex={1}
        />
        <Button size="sm" leftSection={<Rocket size={14} />} loading={progress !== undefined} disabled={files.length === 0 || branch.trim() === ""} onClick={() => void go()}>
          {t("upload.go")}
        </Button>
      </Group>
      {progress !== undefined && (
        <div role="status">
          <Text fz="sm" mb={4}>
            {t(`upload.${progress.at}`)}
          </Text>
          <Bar value={progress.share * 100} animated={progress.at === "deploying"} aria-label={t(`upload.${progress.at}`)} />
        </div>
      )}
      {error !== undefined && <Failure error={error} />}
    </Stack>
  );
}
