// Keeps every event stream as it came over the wire, for its grammar to be checked afterwards.
// To be imported before any client: they take the fetch they find.

const plainFetch = globalThis.fetch;
let kept = [];

globalThis.fetch = async (input, init) => {
  const response = await plainFetch(input, init);
  const kind = response.headers.get("content-type") ?? "";
  if (!response.body || !kind.startsWith("text/event-stream")) return response;
  const [ours, theirs] = response.body.tee();
  const text = new Response(ours).text().catch(() => null); // the client hung up
  kept.push({ path: new URL(response.url).pathname, text });
  const { status, statusText, headers } = response;
  const copy = new Response(theirs, { status, statusText, headers });
  return Object.defineProperty(copy, "url", { value: response.url });
};

// The whole streams since the last call: [{ path, text }].
export async function takeStreams() {
  const streams = kept;
  kept = [];
  const whole = streams.map(async ({ path, text }) => ({ path, text: await text }));
  return (await Promise.all(whole)).filter(({ text }) => text !== null);
}
