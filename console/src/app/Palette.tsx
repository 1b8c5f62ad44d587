// Goes anywhere by name: pages, and whatever areas find.
import { Modal, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Search, type LucideIcon } from "lucide-react";
import { useDeferredValue, useId, useMemo, useState, type KeyboardEvent } from "react";

import { workersQuery } from "../workers/list";
import { useAccount } from "./account";
import { useNav } from "./Navigation";
import classes from "./Palette.module.css";
import { useShellText } from "./strings";

interface Place {
  label: string;
  group: string;
  icon: LucideIcon | undefined;
  to: string;
  params: Record<string, string>;
}

/** Lines at once; who looks for more types more. */
const MOST = 12;

export function Palette(props: { onClose: () => void }) {
  const t = useShellText();
  const account = useAccount();
  const navigate = useNavigate();
  const id = useId();
  const nav = useNav();
  const { data: workers } = useQuery({ ...workersQuery(account), enabled: account !== "" });
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const wanted = useDeferredValue(text.trim().toLowerCase());

  const places = useMemo(() => {
    const pages: Place[] = nav.map(({ to, label, icon }) => ({
      label: t(label),
      group: t("palette.pages"),
      icon,
      to,
      params: { account },
    }));
    const found: Place[] = pages.filter(({ label }) => label.toLowerCase().includes(wanted));
    if (wanted === "") return found;
    for (const worker of workers ?? []) {
      if (found.length >= MOST) break;
      if (worker.id.toLowerCase().includes(wanted)) {
        found.push({
          label: worker.id,
          group: t("nav.workers"),
          icon: undefined,
          to: "/a/$account/workers/$worker",
          params: { account, worker: worker.id },
        });
      }
    }
    return found;
  }, [nav, workers, wanted, account, t]);
  const current = Math.min(at, Math.max(places.length - 1, 0));

  function go(place: Place | undefined) {
    if (place === undefined) return;
    props.onClose();
    void navigate({ to: place.to, params: place.params });
  }

  function onKey(event: KeyboardEvent) {
    if (event.key === "ArrowDown") setAt(Math.min(current + 1, places.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(current - 1, 0));
    else if (event.key === "Enter") go(places[current]);
    else return;
    event.preventDefault();
  }

  return (
    <Modal
      opened
      onClose={props.onClose}
      withCloseButton={false}
      centered={false}
      yOffset="12vh"
      padding={0}
      size={520}
      aria-label={t("palette.label")}
    >
      <TextInput
        data-autofocus
        variant="unstyled"
        size="md"
        className={classes.input}
        leftSection={<Search size={16} />}
        placeholder={t("palette.placeholder")}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
        role="combobox"
        aria-label={t("palette.placeholder")}
        aria-expanded
        aria-controls={id}
        aria-activedescendant={places.length > 0 ? `${id}-${current}` : undefined}
      />
      <div id={id} role="listbox" aria-label={t("palette.label")} className={classes.list}>
        {places.map((place, index) => (
          <div
            key={`${place.to} ${place.label}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === current}
            className={classes.place}
            onMouseMove={() => setAt(index)}
            onClick={() => go(place)}
          >
            {place.icon !== undefined && <place.icon size={16} strokeWidth={1.7} aria-hidden />}
            <span className="cut">{place.label}</span>
            <span className={classes.group}>{place.group}</span>
          </div>
        ))}
      </div>
      {places.length === 0 && (
        <Text c="dimmed" ta="center" py="lg" role="status">
          {t("palette.nothing")}
        </Text>
      )}
    </Modal>
  );
}
