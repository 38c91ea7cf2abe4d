/** A server-sent event. */
export interface StreamedEvent {
  event: string;
  id: string | null;
  data: string;
}

/** Takes a stream of server-sent events apart. An event whose end never came is dropped, as its sender will repeat it. */
export class EventParser {
  /** The beginning of a line; in pieces, as an output of two megabytes comes in many. */
  #line: string[] = [];
  #event = "message";
  #id: string | null = null;
  #data: string | null = null;

  *push(text: string): Generator<StreamedEvent> {
    const lines = text.split("\n");
    const rest = lines.pop()!;
    for (const line of lines) {
      this.#line.push(line);
      const event = this.#take(this.#line.join(""));
      this.#line = [];
      if (event) yield event;
    }
    if (rest) this.#line.push(rest);
  }

  #take(line: string): StreamedEvent | null {
    if (line === "") {
      const event = this.#data === null ? null : { event: this.#event, id: this.#id, data: this.#data };
      this.#event = "message";
      this.#id = null;
      this.#data = null;
      return event;
    }
    const colon = line.indexOf(": ");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 2)];
    if (field === "event") this.#event = value;
    if (field === "id") this.#id = value;
    // The server sends JSON on one line.
    if (field === "data") this.#data = value;
    return null;
  }
}
