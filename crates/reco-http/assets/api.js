// Talks to the server: JSON in, JSON out, and errors that say what to do.

/** The answer's body; `timing` has what it cost in milliseconds, on the server and for the whole way. */
export async function api(path, options = {}) {
  const begun = performance.now();
  const response = await fetch(path, options).catch((cause) => {
    if (cause.name === "AbortError") throw cause;
    throw new Error("The server does not answer. It may have been stopped.");
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const problem = body.error ?? { message: `The server answered with status ${response.status}.` };
    throw Object.assign(new Error(problem.message), { field: problem.field });
  }
  const server = /dur=([\d.]+)/.exec(response.headers.get("server-timing") ?? "");
  return { ...body, timing: { server: server && Number(server[1]), round: performance.now() - begun } };
}
