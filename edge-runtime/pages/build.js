// Builds elements in few words.

/** An element with a class, text or children, and attributes. */
export function make(name, { kind, text, children, ...attributes } = {}) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  if (text !== undefined) element.textContent = text;
  if (children) element.append(...children);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  return element;
}

/** The same in SVG. */
export function draw(name, { kind, text, children, ...attributes } = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  if (kind) element.setAttribute("class", kind);
  if (text !== undefined) element.textContent = text;
  if (children) element.append(...children);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  return element;
}

/** A row of a list of facts. */
export function fact(name, value, kind = "") {
  return make("div", { children: [make("dt", { text: name }), make("dd", { text: value, kind })] });
}

/** The parts of a text in which `backticks` stand around what is typed. */
export function marked(text) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? make("code", { text: part }) : part));
}
