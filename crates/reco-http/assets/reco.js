// Sends what people do on a page to a reco server. By <script src> or import; settings and promises: docs/clients.md.

globalThis.reco ??= (() => {
  const reco = { url: "/interactions", wait: 5000, batch: 10, most: 1000, sent: 0, refused: 0, dropped: 0, onrefused: console.warn, track, flush };
  let queue = []; // Events as JSON, so that what cannot be written fails where it is tracked.
  let pending = []; // Those under way.
  let failures = 0;
  let sending, timer, kept;

  /** Takes an event. Its id, a UUID of version 7, and its time are of now: sent again, it counts once. */
  function track(event) {
    const timestamp = Date.now();
    const [a, b] = crypto.getRandomValues(new BigUint64Array(2));
    const id = BigInt(timestamp) << 80n | 7n << 76n | a >> 52n << 64n | 2n << 62n | b >> 2n;
    queue.push(JSON.stringify({ id: id.toString(16).padStart(32, "0"), timestamp, ...event }));
    reco.dropped += queue.splice(0, queue.length + pending.length - reco.most).length;
    if (!timer) plan(reco.wait);
    if (queue.length >= reco.batch && !failures) flush().catch(() => {});
  }

  /** Sends all that waits. Rejects when the server cannot take it; it is sent again later then. */
  async function flush() {
    if (queue.length) sending ??= drain();
    return sending;
  }

  function plan(pause) {
    clearTimeout(timer);
    timer = setTimeout(() => { timer = undefined; flush().catch(() => {}); }, pause);
  }

  async function drain() {
    try {
      while (queue.length) await send();
    } finally {
      sending = undefined;
    }
  }

  // The server puts times right by `sent_at` where the clock here is wrong.
  const body = (events) => new Blob([`{"sent_at":${Date.now()},"events":[${events}]}`], { type: "application/json" });

  async function send() {
    pending = queue.splice(0, reco.batch);
    const content = body(pending);
    // A browser lets no more than 64 KiB outlive the page.
    const options = { method: "POST", body: content, keepalive: content.size < 32768, signal: AbortSignal.timeout(15000) };
    const answer = await fetch(reco.url, options).catch(() => {});
    const { rejected, error } = (await answer?.json().catch(() => {})) ?? {};
    const { ok, status = 503 } = answer ?? {};
    const batch = pending;
    pending = [];
    if (status > 499 || status === 408 || status === 429 || (ok && !rejected)) {
      queue.unshift(...batch);
      const asked = Number(answer?.headers.get("retry-after")) || 0;
      plan(1000 * asked + Math.random() * Math.min(60000, 1000 * 2 ** failures++));
      throw new Error("The server does not take events now. They are kept and sent again.");
    }
    failures = 0;
    batch.forEach((event, place) => {
      const problems = rejected ? rejected.filter(({ index }) => index === place) : [error];
      if (problems.length) queueMicrotask(() => reco.onrefused(JSON.parse(event), problems));
      reco[problems.length ? "refused" : "sent"] += 1;
    });
  }

  // What is not known to have arrived is kept for the tab's next page, and sent at once, should there be none.
  function hide() {
    const left = [...pending, ...queue];
    if (left.at(-1) === kept) return;
    kept = left.at(-1);
    try { sessionStorage.reco = JSON.stringify(left); } catch {} // A browser may forbid it.
    for (let at = 0; at < queue.length; at += reco.batch) navigator.sendBeacon(reco.url, body(queue.slice(at, at + reco.batch)));
  }

  try {
    queue = JSON.parse(sessionStorage.reco ?? "[]");
    plan(reco.wait);
  } catch {}
  kept = queue.at(-1);
  addEventListener("pagehide", hide);
  addEventListener("visibilitychange", () => document.hidden && hide());
  return reco;
})();
