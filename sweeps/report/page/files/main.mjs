// Where a page begins: its document stands in it as JSON.
import { byId } from "./view/dom.mjs";
import { openNetwork } from "./view/network.mjs";
import { openSpace } from "./view/space.mjs";

const doc = JSON.parse(byId("document").textContent);
const photo = byId("photo-data")?.textContent.trim();

// Of a space, #network=INDEX opens one of its networks; the browser's way back leads to the space again.
function show() {
  const index = new URLSearchParams(location.hash.slice(1)).get("network");
  byId("space-page").hidden = byId("network-page").hidden = true;
  byId("back").hidden = index === null;
  byId("title").textContent = doc.name;
  if (Object.hasOwn(doc.networks, index ?? "")) window.rfscale = openNetwork(doc.networks[index], "", null, false);
  else openSpace(doc, (key) => location.assign(`#network=${key}`));
}

if (doc.kind === "network") window.rfscale = openNetwork(doc, location.hash, photo);
else {
  byId("back").onclick = () => location.assign("#");
  window.addEventListener("hashchange", show);
  show();
}
