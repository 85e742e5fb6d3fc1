// Server-sent events out of a response, for tests.

export interface ServerEvent {
  /** `message` where it has none. */
  name: string;
  data: unknown;
}

/** Yields each event until the stream ends; whoever leaves the loop closes it. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body! as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = eventIn(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) yield event;
    }
  }
}

/** The first `count` events; then the stream is closed. */
export async function eventsOf(response: Response, count: number): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of readEvents(response)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

function eventIn(block: string): ServerEvent | null {
  const data = /^data: (.*)$/m.exec(block)?.[1];
  if (data === undefined) return null;
  return { name: /^event: (.*)$/m.exec(block)?.[1] ?? "message", data: JSON.parse(data) };
}
