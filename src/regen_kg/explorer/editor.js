// The SPARQL editor: a plain text area (so that keyboards and screen readers work as everywhere), colours drawn behind it,
// and completion of our own terms. Text from data is only ever set as text.
const KEYWORDS = "ASK|AS|ASC|BASE|BIND|BY|CONSTRUCT|COUNT|DESC|DESCRIBE|DISTINCT|EXISTS|FILTER|FROM|GRAPH|GROUP|GROUP_CONCAT|HAVING|IN|LIMIT|MAX|MIN|MINUS|NAMED|NOT|OFFSET|OPTIONAL|ORDER|PREFIX|REDUCED|SAMPLE|SELECT|SEPARATOR|SUM|AVG|UNDEF|UNION|VALUES|WHERE|BOUND|COALESCE|CONCAT|CONTAINS|IF|LANG|LCASE|REGEX|REPLACE|STR|STRAFTER|STRBEFORE|STRSTARTS|a|true|false";
const TOKEN = new RegExp(
  `(#[^\\n]*)|("(?:\\\\.|[^"\\\\\\n])*"|'(?:\\\\.|[^'\\\\\\n])*')|(<[^<>\\s]*>)|([?$][A-Za-z_]\\w*)|(\\b[A-Za-z][\\w-]*:[\\w.-]*|\\b_:\\w+)|\\b(${KEYWORDS})\\b|(\\b\\d+(?:\\.\\d+)?\\b)`, "gi");
const KINDS = ["comment", "string", "iri", "variable", "name", "keyword", "number"];
const live = new WeakMap();

function coloured(text, errorLine, into) {
  into.replaceChildren();
  text.split("\n").forEach((line, number) => {
    const row = document.createElement("span");
    if (number + 1 === errorLine) row.className = "error";
    let at = 0;
    for (const found of line.matchAll(TOKEN)) {
      row.append(line.slice(at, found.index));
      const part = document.createElement("span");
      part.className = KINDS[found.slice(1).findIndex((g) => g !== undefined)];
      part.textContent = found[0];
      row.append(part);
      at = found.index + found[0].length;
    }
    row.append(line.slice(at), "\n");
    into.append(row);
  });
}

function start(root) {
  const at = (name) => root.querySelector(`[data-part=${name}]`);
  const area = at("text"), back = at("back"), list = at("terms"), say = at("say"), run = at("run");
  const one = { root, area, terms: [], prefixes: {}, text: null, error: 0, chosen: 0, found: [] };

  const draw = () => { coloured(area.value, one.error, back); scroll(); };
  const scroll = () => { back.scrollTop = area.scrollTop; back.scrollLeft = area.scrollLeft; };
  const word = () => area.value.slice(0, area.selectionStart).match(/"?[\w:-]*$/)[0];
  const close = () => { list.hidden = true; one.found = []; area.removeAttribute("aria-activedescendant"); };

  const mark = () => {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === one.chosen)));
    area.setAttribute("aria-activedescendant", `term-${one.chosen}`);
    list.children[one.chosen]?.scrollIntoView({ block: "nearest" });
  };
  const open = (always) => {
    const typed = word().replace(/^"/, "").toLowerCase();
    if (!always && typed.length < 2) return close();
    const rank = (t) => { const n = t.insert.replace(/^"|^\w+:/, "").toLowerCase(); return n.startsWith(typed.replace(/^\w+:/, "")) ? 0 : 1; };
    const bare = typed.replace(/^\w+:/, "");
    one.found = one.terms.filter((t) => `${t.insert} ${t.label}`.toLowerCase().includes(bare)).sort((a, b) => rank(a) - rank(b)).slice(0, 12);
    if (!one.found.length || (one.found.length === 1 && one.found[0].insert === word())) { close(); if (always) say.textContent = "No term fits."; return; }
    one.chosen = 0;
    list.replaceChildren(...one.found.map((t, i) => {
      const item = document.createElement("li");
      item.id = `term-${i}`; item.setAttribute("role", "option");
      const name = document.createElement("b"); name.textContent = t.insert;
      const what = document.createElement("span"); what.textContent = ` ${t.kind} · ${t.label}`;
      item.append(name, what);
      item.addEventListener("pointerdown", (e) => { e.preventDefault(); one.chosen = i; take(); });
      return item;
    }));
    list.hidden = false;
    say.textContent = `${one.found.length} terms; arrows choose, Enter takes, Escape closes.`;
    mark();
  };
  const take = () => {
    const term = one.found[one.chosen], typed = word(), end = area.selectionStart;
    area.setRangeText(term.insert, end - typed.length, end, "end");
    const prefix = term.insert.match(/^(\w+):/)?.[1];
    if (prefix && one.prefixes[prefix] && !new RegExp(`PREFIX\\s+${prefix}:`, "i").test(area.value)) {
      const line = `PREFIX ${prefix}: <${one.prefixes[prefix]}>\n`, caret = area.selectionStart + line.length;
      area.value = line + area.value;
      area.setSelectionRange(caret, caret);
    }
    close(); draw();
  };
  const go = () => { close(); one.trigger("run", area.value); };

  area.addEventListener("input", () => { one.error = 0; draw(); open(false); });
  area.addEventListener("scroll", scroll);
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (e) => {
    e.stopPropagation();  // letters are shortcuts of the page outside
    if ((e.ctrlKey || e.metaKey) && e.key === "Enter") { e.preventDefault(); go(); }
    else if (e.ctrlKey && e.key === " ") { e.preventDefault(); open(true); }
    else if (!list.hidden) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (step) { e.preventDefault(); one.chosen = (one.chosen + step + one.found.length) % one.found.length; mark(); }
      else if (e.key === "Enter" || e.key === "Tab") { e.preventDefault(); take(); }
      else if (e.key === "Escape") { e.preventDefault(); close(); }
    }
  });
  run.addEventListener("click", go);
  one.draw = draw;
  return one;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  let one = live.get(parentElement);
  if (!one) { one = start(parentElement); live.set(parentElement, one); }
  one.trigger = setTriggerValue;
  one.terms = data.terms; one.prefixes = data.prefixes;
  if (data.text !== one.text) { one.text = data.text; one.area.value = data.text; }
  one.error = data.error || 0;
  one.draw();
  parentElement.querySelector("[data-part=run]").disabled = false;
}
