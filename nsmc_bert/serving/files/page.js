// The page: a review's verdict as it is typed, the words it comes from, and files of reviews. Whatever comes from people
// or from the server is put in as textContent.

const TEXTS = {
  ko: {
    try: "리뷰 한 편", review: "리뷰를 입력하세요. 입력하는 대로 판정합니다.", why: "판정의 근거가 된 단어",
    perturb: "띄어쓰기 없이, 오타를 넣어 다시 판정", many: "파일 판정",
    file: "CSV, TSV 또는 한 줄에 리뷰 한 편인 텍스트 파일을 고르거나 여기에 놓으세요.", column: "리뷰가 있는 열", start: "시작", stop: "중지",
    download: "결과 내려받기 (CSV)", distribution: "판정 분포", sureness: "확신의 분포", label: "판정", texts: "리뷰", share: "비율",
    sure: "확신", footer: "리뷰는 이 서버 밖으로 나가지 않습니다.", docs: "인터페이스 설명 (영어)",
    negative: "부정", positive: "긍정", verdict: (label, percent) => `${label} · ${percent} 확신`,
    reading: (label) => `숫자가 0보다 크면 ‘${label}’ 쪽, 작으면 반대쪽을 가리킵니다 (로짓).`, unread: "읽지 않음",
    cut: "글이 길어 앞부분만 읽었습니다.", spaces: "띄어쓰기 없이", typo: "오타 하나", count: (done, all) => `${all}편 중 ${done}편`,
    done: (all, seconds) => `${all}편을 ${seconds}초에 판정했습니다.`, stopped: (done) => `${done}편까지 판정하고 멈췄습니다.`,
    empty: "파일에 리뷰가 없습니다.", unreadable: "UTF-8도 CP949도 아닌 파일입니다.", quote: "CSV의 따옴표가 맞지 않습니다.",
    ragged: (row, found, expected) => `${row}번째 행은 ${found}열인데 첫 행은 ${expected}열입니다. 쉼표가 든 리뷰는 따옴표로 묶으세요.`,
    kind: "CSV, TSV, 텍스트 파일만 읽습니다. 다른 파일은 명령으로 판정하세요: python -m nsmc_bert.predict",
    large: "100 MB가 넘는 파일은 명령으로 판정하세요: python -m nsmc_bert.predict", shortened: (n) => `${n}편은 길어서 앞부분만 보냈습니다.`,
    failed: (why) => `서버의 응답: ${why}`, unreachable: "서버에 닿지 않습니다.",
  },
  en: {
    try: "One review", review: "Type a review; it is judged as you type.", why: "The words it comes from",
    perturb: "Judge again without spaces, and with a typo", many: "A file of reviews",
    file: "Choose or drop a CSV, a TSV, or a text file with a review a line.", column: "Column of the reviews", start: "Start", stop: "Stop",
    download: "Download the result (CSV)", distribution: "Distribution of labels", sureness: "How sure", label: "Label", texts: "Reviews", share: "Share",
    sure: "Sure to", footer: "Reviews do not leave this server.", docs: "The interface",
    negative: "negative", positive: "positive", verdict: (label, percent) => `${label} · ${percent} sure`,
    reading: (label) => `Above 0 a word speaks for “${label}”, below 0 against it (in logits).`, unread: "not read",
    cut: "The text is long: only its beginning was read.", spaces: "Without spaces", typo: "With a typo", count: (done, all) => `${done} of ${all} reviews`,
    done: (all, seconds) => `${all} reviews judged in ${seconds} s.`, stopped: (done) => `Stopped after ${done} reviews.`,
    empty: "The file has no review.", unreadable: "The file is neither UTF-8 nor CP949.", quote: "The quotation marks of the CSV do not match.",
    ragged: (row, found, expected) => `Row ${row} has ${found} columns, the first one ${expected}. A review with a comma stands in quotation marks.`,
    kind: "Only CSV, TSV and text are read here. For other files use the command: python -m nsmc_bert.predict",
    large: "For files of more than 100 MB use the command: python -m nsmc_bert.predict", shortened: (n) => `Of ${n} long reviews only the beginning was sent.`,
    failed: (why) => `The server says: ${why}`, unreachable: "The server cannot be reached.",
  },
};
const PREDICT = "v1/models/nsmc:predict", TOGETHER = 128, LARGEST = 100e6;
const OTHERS = ["jsonl", "json", "ndjson", "parquet", "xlsx", "xls", "gz", "xz", "bz2", "zst", "zip"];  // which are no lines of text
const at = (id) => document.getElementById(id);
const { labels, columns, values, limits } = await (await fetch("page.json")).json();
let language = navigator.languages.some((each) => each.startsWith("ko")) ? "ko" : "en";
let shown = null, rows = null, running = null, seed = 0;

const say = (key, ...values) => {
  const text = TEXTS[language][key] ?? key;
  return typeof text === "function" ? text(...values) : text;
};
const percent = (share) => `${(100 * share).toFixed(share % 1 && (share > 0.999 || share < 0.001) ? 2 : share % 1 ? 1 : 0)} %`;

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

// A bar of a share. An SVG's size is no style, which the page's policy would forbid.
function level(share) {
  const element = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const svg = element("svg", { class: "level", "aria-hidden": "true" });
  svg.append(element("rect", { class: "track", width: "100%", height: "100%" }));
  svg.append(element("rect", { class: "share", width: `${100 * share}%`, height: "100%" }));
  return svg;
}

function speak() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  at("language").textContent = language === "ko" ? "English" : "한국어";
  at("language").lang = language === "ko" ? "en" : "ko";
  if (shown) show(shown);
  if (rows?.answers) summarise(rows);
}

// What the server says to JSON; while it is busy, again when it says so.
async function ask(path, value, signal) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), signal });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Error(say("unreachable"));
    }
    if (response.status === 503) {
      await new Promise((done) => setTimeout(done, 1000 * (Number(response.headers.get("Retry-After")) || 1)));
      signal?.throwIfAborted();
      continue;
    }
    const answer = await response.json();
    if (!response.ok) throw new Error(say("failed", answer.error));
    return answer;
  }
}

// === One review ===

const best = (probabilities) => probabilities.indexOf(Math.max(...probabilities));
const verdict = (probabilities) => say("verdict", say(labels[best(probabilities)]), percent(Math.max(...probabilities)));

function show(state) {
  shown = state;
  at("verdict").textContent = verdict(state.probabilities);
  at("bars").replaceChildren(...labels.map((label, i) => {
    const bar = make("div", undefined, "bar");
    bar.append(make("span", say(label)), level(state.probabilities[i]), make("span", percent(state.probabilities[i])));
    return bar;
  }));
  at("why").hidden = !state.explanation;
  if (!state.explanation) return;
  const { words, label } = state.explanation;
  const most = Math.max(0, ...words.map((word) => Math.abs(word.added ?? 0)));
  at("words").replaceChildren(...words.map((word) => {
    const kind = word.added === null ? "unread" : word.added < 0 ? "against" : "for";
    const strong = word.added !== null && Math.abs(word.added) >= most / 2 && most > 0.1;
    const item = make("li", word.text, strong ? `${kind} most` : kind);
    const added = word.added === null ? say("unread") : `${word.added < 0 ? "−" : "+"}${Math.abs(word.added).toFixed(2)}`;
    item.append(" ", make("small", added));
    return item;
  }));
  at("reading").textContent = say("reading", say(label)) + (state.truncated ? ` ${say("cut")}` : "");
}

let typing = null;
at("review").addEventListener("input", () => {
  typing?.abort();
  const { signal } = (typing = new AbortController());
  const text = at("review").value;
  at("problem").textContent = "";
  at("changed").replaceChildren();
  if (!text.trim()) {
    shown = null;
    at("verdict").textContent = "";
    at("bars").replaceChildren();
    at("why").hidden = true;
    return;
  }
  const judge = async () => {
    try {
      const { predictions } = await ask(PREDICT, { instances: [text] }, signal);
      show({ probabilities: predictions[0] });
      await new Promise((done) => setTimeout(done, 250));
      if (!signal.aborted) show(await ask("explain", { text }, signal));
    } catch (error) {
      if (error.name !== "AbortError") at("problem").textContent = error.message;
    }
  };
  setTimeout(() => signal.aborted || judge(), 120);
});

at("perturb").addEventListener("click", async () => {
  const text = at("review").value;
  if (!text.trim()) return at("review").focus();
  try {
    const changed = await ask("perturb", { text, seed: seed++ });
    const kinds = Object.keys(changed);
    const { predictions } = await ask(PREDICT, { instances: kinds.map((kind) => changed[kind]) });
    at("changed").replaceChildren(...kinds.map((kind, i) => {
      const item = make("li");
      const written = make("span", changed[kind]);
      written.lang = "ko";
      item.append(make("strong", `${say(kind)}: ${verdict(predictions[i])}`), make("br"), written);
      return item;
    }));
  } catch (error) {
    at("problem").textContent = error.message;
  }
});

// === A file ===

// Rows of a CSV (RFC 4180) or TSV text, each a list of cells; null where a quotation mark is never closed, or is closed
// inside of a cell.
function parse(text, delimiter) {
  const found = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else if (i + 1 < text.length && ![delimiter, "\n", "\r"].includes(text[i + 1])) return null;
      else quoted = false;
    } else if (c === '"' && cell === "" && delimiter === ",") quoted = true;
    else if (c === delimiter) { row.push(cell); cell = ""; }
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      row.push(cell);
      if (row.length > 1 || row[0] !== "") found.push(row);
      row = []; cell = "";
    } else cell += c;
  }
  if (quoted) return null;
  row.push(cell);
  if (row.length > 1 || row[0] !== "") found.push(row);
  return found;
}

function decode(bytes) {
  for (const encoding of ["utf-8", "euc-kr"]) {  // a browser's euc-kr is CP949
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes);
    } catch { /* the next one */ }
  }
  return null;
}

async function open(file) {
  running?.abort();
  rows = null;
  at("result").hidden = at("column-of").hidden = true;
  at("done").textContent = "";
  const fail = (key, ...values) => { at("file-problem").textContent = key && say(key, ...values); };
  fail("");
  const ending = file.name.toLowerCase().split(".").pop();
  if (OTHERS.includes(ending)) return fail("kind");
  if (file.size > LARGEST) return fail("large");
  const text = decode(await file.arrayBuffer());
  if (text === null) return fail("unreadable");
  const name = file.name.replace(/\.[^.]*$/, "");
  if (ending === "csv" || ending === "tsv") {
    const table = parse(text, ending === "csv" ? "," : "\t");
    if (table === null) return fail("quote");
    if (table.length < 2) return fail("empty");
    const [head, ...body] = table;
    const odd = body.findIndex((row) => row.length !== head.length);
    if (odd >= 0) return fail("ragged", odd + 2, body[odd].length, head.length);
    rows = { name, head, body };
    at("column").replaceChildren(...head.map((title, i) => new Option(title, i)));
    at("column").value = guess(head, body);
    at("column-of").hidden = false;
    at("column").focus();
  } else {
    const lines = text.split(/\r\n|\n|\r/);
    if (lines.at(-1) === "") lines.pop();
    if (!lines.length) return fail("empty");
    rows = { name, head: ["text"], body: lines.map((line) => [line]) };
    await classify(0);
  }
}

// The column with the longest cells is most likely that of the reviews.
function guess(head, body) {
  const some = body.slice(0, 100);
  const lengths = head.map((_, i) => some.reduce((sum, row) => sum + (row[i] ?? "").length, 0));
  return lengths.indexOf(Math.max(...lengths));
}

async function classify(column) {
  const { signal } = (running = new AbortController());
  const here = rows, began = performance.now();
  let long = 0;
  const texts = here.body.map((row) => {
    const text = row[column] ?? "";
    if (text.length <= limits.characters) return text;
    long++;
    return text.slice(0, limits.characters);
  });
  here.answers = [];
  at("result").hidden = true;
  at("running").hidden = false;
  at("file-problem").textContent = at("done").textContent = "";
  at("progress").max = texts.length;
  try {
    for (let first = 0; first < texts.length;) {
      at("progress").value = first;
      at("count").textContent = say("count", first.toLocaleString(), texts.length.toLocaleString());
      let size = 0, last = first;
      // within the number of texts and, at three bytes a character and six where JSON escapes them, the body's limit
      while (last < texts.length && last - first < Math.min(TOGETHER, limits.texts)) {
        size += 6 * texts[last].length + 4;
        if (last > first && size > limits.body - 100) break;
        last++;
      }
      const { predictions } = await ask(PREDICT, { instances: texts.slice(first, last) }, signal);
      here.answers.push(...predictions);
      first = last;
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    at("done").textContent = say("done", texts.length.toLocaleString(), seconds) + (long ? ` ${say("shortened", long)}` : "");
  } catch (error) {
    if (error.name === "AbortError") at("done").textContent = say("stopped", here.answers.length.toLocaleString());
    else at("file-problem").textContent = error.message;
  }
  at("running").hidden = true;
  if (here.answers.length && here === rows) summarise(here);
}

// A row of a table with a bar.
function line(title, count, all) {
  const row = make("tr"), head = make("th", title), cell = make("td");
  head.scope = "row";
  cell.append(level(count / all));
  row.append(head, make("td", count.toLocaleString()), make("td", percent(count / all)), cell);
  return row;
}

function summarise(here) {
  const { answers } = here, all = answers.length;
  const counts = labels.map((_, i) => answers.filter((row) => best(row) === i).length);
  at("labels").replaceChildren(...labels.map((label, i) => line(say(label), counts[i], all)));
  const least = 1 / labels.length, steps = 5;
  const step = (row) => Math.min(steps - 1, Math.floor(((Math.max(...row) - least) / (1 - least)) * steps));
  const sure = Array(steps).fill(0);
  for (const row of answers) sure[step(row)]++;
  const edge = (i) => `${Math.round(100 * (least + ((1 - least) * i) / steps))}`;
  at("levels").replaceChildren(...sure.map((count, i) => line(`${edge(i)}–${edge(i + 1)} %`, count, all)));
  const taken = columns.some((name) => here.head.includes(name));
  const added = taken ? columns.map((name) => `predicted_${name}`) : columns;
  const expected = (row) => (values.length ? [row.reduce((sum, value, i) => sum + value * values[i], 0)] : []);
  const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = answers.map((row, i) => [
    ...here.head.map((_, place) => here.body[i][place] ?? ""), labels[best(row)],
    ...[...row, ...expected(row)].map((value) => value.toFixed(6)),
  ]);
  const text = [[...here.head, ...added], ...lines].map((cells) => cells.map(quote).join(",")).join("\r\n") + "\r\n";
  URL.revokeObjectURL(at("download").href);
  at("download").href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));  // Excel reads UTF-8 by the mark
  at("download").download = `${here.name}.labelled.csv`;
  at("result").hidden = false;
}

at("file").addEventListener("change", () => at("file").files[0] && open(at("file").files[0]));
at("start").addEventListener("click", () => classify(Number(at("column").value)));
at("stop").addEventListener("click", () => running?.abort());
at("language").addEventListener("click", () => { language = language === "ko" ? "en" : "ko"; speak(); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  at("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
speak();
