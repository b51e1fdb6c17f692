// What is asked of the server. Every problem is an Error whose message is one line for a person.

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw Object.assign(new Error("The studio does not answer: was it stopped? Start it again with dip-jax studio."), { lost: true });
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let line = text;
  try {
    line = JSON.parse(text).error;
  } catch { /* it is a plain line */ }
  const problem = new Error(line || `the server answered ${answer.status}`);
  problem.status = answer.status;
  throw problem;
}

const told = async (path, options) => (await ask(path, options)).json();
const form = (value) => ({ method: "POST", body: JSON.stringify(value) });
const upload = (path, file) =>
  ask(`${path}?name=${encodeURIComponent(file.name || "pasted.png")}`, { method: "POST", body: file });

export const tasks = () => told("/api/tasks");
export const state = () => told("/api/state");
export const picture = (id) => told(`/api/pictures/${id}`);
export const openPicture = async (file) => (await upload("/api/pictures", file)).json();
const ranged = (range) => (range ? `low=${range[0]}&high=${range[1]}` : "");
export const viewOf = (id, range = null) => `/api/pictures/${id}/view?${ranged(range)}`;
export const maskOf = (id) => `/api/pictures/${id}/mask`;
export const paint = (id, layer) => told(`/api/pictures/${id}/mask`, { method: "PUT", body: layer });
export const layerOf = async (id) => (await ask(`${maskOf(id)}?as=layer`)).blob();
export const marks = async (id, sensitivity, range) =>
  (await ask(`/api/pictures/${id}/marks?sensitivity=${sensitivity}&${ranged(range)}`)).blob();
export const optionFile = async (id, option, file) =>
  (await upload(`/api/pictures/${id}/files/${option}`, file)).json();
export const noOptionFile = (id, option) => told(`/api/pictures/${id}/files/${option}`, { method: "DELETE" });
export const estimate = (id, asked) => told(`/api/pictures/${id}/estimate`, form(asked));
export const start = (id, asked) => told(`/api/pictures/${id}/start`, form(asked));
export const work = (number) => told(`/api/works/${number}`);
export const stop = (number) => told(`/api/works/${number}/stop`, { method: "POST" });
export const previewOf = (number, n, closeUp = false) =>
  `/api/works/${number}/preview?n=${n}${closeUp ? "&close-up" : ""}`;
export const resultOf = (number, lossless = false) => `/api/works/${number}/result${lossless ? "?lossless" : ""}`;
export const maskOfResult = (number) => `/api/works/${number}/mask`;
export const viewOfResult = (number, name) => `/api/works/${number}/${name}`;

export async function maskFile(id, file, polarity) {
  const name = encodeURIComponent(file.name);
  const answer = await ask(`/api/pictures/${id}/mask-file?name=${name}&polarity=${polarity}`, { method: "POST", body: file });
  return { layer: await answer.blob(), remarks: JSON.parse(decodeURIComponent(answer.headers.get("x-remarks") || "%5B%5D")) };
}
