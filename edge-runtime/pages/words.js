// What the pages say, in the language and the vocabulary of the kiosk.

/** Classes that have a tone of their own in base.css. */
const TONES = ["happy", "sad", "angry", "fear", "surprise", "disgust", "neutral"];
const OTHERS = 4;

/** Languages that come with the program. */
const SHIPPED = ["de", "en", "fr"];

/** Where the words of the kiosk's own language are: a file of this program, or of the operator. */
export const OWN = "/words.json";
/** What stands in for words that a file lacks. */
const FALLBACK = "/assets/lang/en.json";

/** The words of a file, with those that it lacks in English. */
export async function load(file = OWN) {
  const [words, english] = await Promise.all([read(file), read(FALLBACK)]);
  return merged(english, words);
}

async function read(file) {
  const answer = await fetch(file);
  if (!answer.ok) {
    throw new Error(`${file}: ${answer.status}`);
  }
  return answer.json();
}

function merged(base, over) {
  if (typeof base !== "object" || typeof over !== "object") {
    return over ?? base;
  }
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map((key) => [key, merged(base[key], over[key])]));
}

/** What a verdict is called: by the vocabulary's word, or by the label itself where it has none. */
export function verdictWord(words, vocabulary, label) {
  return words[vocabulary]?.verdicts?.[label.toLowerCase()] ?? label;
}

/** The name of a class's tone; `index` is its place among the classes. */
export function tone(label, index = 0) {
  const name = label.toLowerCase();
  return TONES.includes(name) ? name : `other-${index % OTHERS}`;
}

/** Puts the words into every element with `data-words`; the value is the path of the words, as in `operator.pause`. */
export function fill(root, words) {
  for (const element of root.querySelectorAll("[data-words]")) {
    element.textContent = at(words, element.dataset.words);
  }
}

/** The words at a path such as `operator.pause`, with `{name}` replaced by `values.name`. */
export function at(words, path, values = {}) {
  const found = path.split(".").reduce((part, key) => part?.[key], words);
  if (typeof found !== "string") {
    return path;
  }
  return found.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** The words that come with the program in the language of whoever looks at the page, else the kiosk's own. */
export function preferred() {
  const language = navigator.languages.map((name) => name.slice(0, 2)).find((name) => SHIPPED.includes(name));
  return language ? `/assets/lang/${language}.json` : OWN;
}
