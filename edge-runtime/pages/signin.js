// Exchanges the kiosk's token for a cookie; the token itself is kept nowhere.

import { at, fill, load, preferred } from "./words.js";

const words = await load(preferred());
document.documentElement.lang = words.language;
document.title = at(words, "operator.title");
fill(document, words);

const failed = document.getElementById("failed");

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/api/session", { method: "POST", body: document.getElementById("token").value.trim() });
  if (answer.ok) {
    location.replace(location.pathname);
    return;
  }
  const seconds = answer.headers.get("retry-after");
  failed.textContent = seconds
    ? at(words, "operator.token_wait", { seconds })
    : at(words, "operator.token_wrong");
  failed.hidden = false;
});
