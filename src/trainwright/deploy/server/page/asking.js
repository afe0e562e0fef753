// Questions to the server: one row, with the files of it as parts of a form.

let token = "";
try { token = sessionStorage.getItem("trainwright-token") || ""; } catch { /* kept for this page only */ }

export class Refused extends Error {
  constructor(status, errors) {
    super(errors[0].what || `answered with ${status}`);
    this.status = status;
    this.errors = errors;
  }
}

export function useToken(given) {
  token = given;
  try { sessionStorage.setItem("trainwright-token", given); } catch { /* kept for this page only */ }
}

export const hasToken = () => token !== "";

export async function getSchema() {
  return ask("schema", {});
}

/** `values` by column: File for a file, otherwise JSON; nothing of an input that is null is left out, it is sent as null. */
export async function askRow(where, values, signal) {
  return ask(where, { method: "POST", signal, ...body(values) });
}

export function body(values) {
  const files = Object.entries(values).filter(([, value]) => value instanceof File);
  const row = Object.fromEntries(Object.entries(values).filter(([, value]) => !(value instanceof File)));
  if (!files.length) return { headers: { "Content-Type": "application/json" }, body: JSON.stringify({ rows: [row] }) };
  const form = new FormData();
  form.append("rows", new Blob([JSON.stringify([row])], { type: "application/json" }));
  for (const [name, file] of files) form.append(name, file, file.name);
  return { body: form };
}

async function ask(where, options) {
  const headers = { Accept: "application/json", ...(options.headers || {}) };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(where, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, [{ what: "the server does not answer", fix: "see whether `trainwright serve` still runs" }]);
  }
  const text = await answer.text();
  let found = null;
  try { found = JSON.parse(text); } catch { /* said below */ }
  if (answer.ok && found !== null) return found;
  throw new Refused(answer.status, errorsOf(found, answer.status));
}

function errorsOf(found, status) {
  if (found && Array.isArray(found.errors) && found.errors.length) return found.errors;
  if (found && found.error) return [typeof found.error === "string" ? { what: found.error } : found.error];
  return [{ what: `the server answered with ${status}` }];
}

/** The question as a line for a shell. */
export function asCurl(values, address) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const secret = token ? ` \\\n  -H "Authorization: Bearer $TOKEN"` : "";
  const files = Object.entries(values).filter(([, value]) => value instanceof File);
  const row = Object.fromEntries(Object.entries(values).filter(([, value]) => !(value instanceof File)));
  if (!files.length) return `curl ${address}${secret} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify({ rows: [row] }))}`;
  const parts = files.map(([name, file]) => ` \\\n  -F ${quoted(`${name}=@${file.name}`)}`).join("");
  return `curl ${address}${secret} \\\n  -F ${quoted(`rows=${JSON.stringify([row])};type=application/json`)}${parts}`;
}
