/** The line that stands for the cut-out middle of a long output. */
const CUT = /\n\[… (\d{1,15}) bytes cut …\]\n/;

/**
 * The part of a stored output behind the first `read` bytes, and how many bytes there are up to its end. `text` begins
 * behind `from` bytes. Bytes are counted in what the command printed, so that a place keeps its meaning when the worker
 * cuts out the middle. A command that prints such a line itself can confuse the readers of its own output, and no other.
 */
export function unread(text: string, from: number, read: number): { text: string; end: number } {
  const bytes = Buffer.from(text);
  const cut = from === 0 ? CUT.exec(text) : null;
  if (!cut) return { text: bytes.subarray(Math.max(read - from, 0)).toString(), end: Math.max(from + bytes.length, read) };
  const head = Buffer.byteLength(text.slice(0, cut.index));
  const line = Buffer.byteLength(cut[0]);
  const missing = Number(cut[1]);
  const end = bytes.length - line + missing;
  // Who has read beyond the cut sees no line about it.
  const begin = read <= head ? read : read < head + missing ? head : read - missing + line;
  return { text: bytes.subarray(begin).toString(), end: Math.max(end, read) };
}
