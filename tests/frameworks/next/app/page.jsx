import Link from "next/link";
import { Ask } from "./ask";

export default function Home() {
  return (
    <main>
      <h1>Next.js</h1>
      <Link href="/notes/1">A note</Link>
      <Ask />
    </main>
  );
}
