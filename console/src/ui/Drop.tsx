// Where files are dropped, or chosen with a button.
import { Button, Group, Text } from "@mantine/core";
import { CloudUpload } from "lucide-react";
import { useRef, useState, type DragEvent } from "react";

import classes from "./Drop.module.css";

/** A file with its path below what was dropped. */
export interface Dropped {
  path: string;
  file: File;
}

function listed(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

async function walk(entry: FileSystemEntry, into: Dropped[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    into.push({ path: entry.fullPath.replace(/^\//, ""), file });
  } else {
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    // A reader gives a folder in pieces, and then nothing.
    for (let some = await listed(reader); some.length > 0; some = await listed(reader)) {
      for (const one of some) await walk(one, into);
    }
  }
}

async function dropped(transfer: DataTransfer): Promise<Dropped[]> {
  // Entries are gone when the event is over: all are taken first.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const files: Dropped[] = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

function chosen(list: FileList | null): Dropped[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

export function Drop(props: {
  text: string;
  button: string;
  folderButton?: string;
  onFiles: (files: Dropped[]) => void;
}) {
  const [over, setOver] = useState(0);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drag = (change: (depth: number) => number) => (event: DragEvent) => {
    event.preventDefault();
    setOver(change);
  };
  const input = (ref: typeof files, label: string, whole: boolean) => (
    <input
      ref={ref}
      type="file"
      multiple
      hidden
      aria-label={label}
      {...(whole ? { webkitdirectory: "" } : {})}
      onChange={(event) => {
        const taken = chosen(event.currentTarget.files);
        event.currentTarget.value = "";
        if (taken.length > 0) props.onFiles(taken);
      }}
    />
  );
  return (
    <div
      className={classes.drop}
      data-over={over > 0 || undefined}
      onDragEnter={drag((depth) => depth + 1)}
      onDragLeave={drag((depth) => depth - 1)}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        setOver(0);
        void dropped(event.dataTransfer).then((taken) => taken.length > 0 && props.onFiles(taken));
      }}
    >
      <Group gap="sm" className={classes.bar} wrap="wrap">
        <CloudUpload size={18} strokeWidth={1.6} aria-hidden />
        <Text fz="sm" c="dimmed" className={classes.text}>
          {props.text}
        </Text>
        <Button variant="default" onClick={() => files.current?.click()}>
          {props.button}
        </Button>
        {props.folderButton !== undefined && (
          <Button variant="default" onClick={() => folder.current?.click()}>
            {props.folderButton}
          </Button>
        )}
      </Group>
      {input(files, props.button, false)}
      {props.folderButton !== undefined && input(folder, props.folderButton, true)}
    </div>
  );
}
