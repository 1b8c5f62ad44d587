// A QR code, made here: what it holds is a secret that no service has to see.
import { encode } from "uqr";

export function Qr(props: { text: string; label: string; side?: number }) {
  const { data, size } = encode(props.text, { border: 2 });
  const squares = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
  const side = props.side ?? 196;
  return (
    <svg role="img" aria-label={props.label} width={side} height={side} viewBox={`0 0 ${size} ${size}`} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={squares.join("")} fill="#000" />
    </svg>
  );
}
