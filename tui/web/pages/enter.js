// Shows the access token to the server, which gives a cookie for it. A link may have the token behind `#`:
// that part of an address is never sent, and it is removed here at once.
"use strict";

async function enter(token) {
  const answer = await fetch("/enter", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  }).catch(() => null);
  if (answer?.ok) location.reload();
  else {
    const why = document.querySelector("#why");
    why.textContent = answer ? await answer.text() : why.dataset.lost;
  }
}

const given = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);
if (given) enter(given);
document.querySelector("#enter").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(document.querySelector("#token").value.trim());
});
