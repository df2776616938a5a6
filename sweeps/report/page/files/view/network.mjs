// The page of one network.
import { createApp } from "./app.mjs";
import { createCanvas } from "./canvas.mjs";
import { createChart } from "./chart.mjs";
import { createControls, showPhoto, tell, usePhoto } from "./controls.mjs";
import { byId } from "./dom.mjs";
import { createGraph } from "./graph.mjs";
import { createMap } from "./map.mjs";
import { createTable } from "./table.mjs";
import { createVerdict } from "./verdict.mjs";

let opened = new AbortController();

export function openNetwork(doc, hash, photo, inAddress = true) {
  byId("title").textContent = doc.name;
  document.title = `${doc.name}: what it sees`;
  for (const id of ["sentences", "notes", "chips", "holes", "halo", "objects", "graph", "stages", "map", "copies"]) byId(id).replaceChildren();
  byId("network-page").hidden = false;
  const app = createApp(doc, inAddress);
  const stages = createCanvas(app, byId("stages"), (now) => tell(app, now));
  const chart = createChart(app, byId("chart"));
  const map = createMap(app, byId("map"));
  const others = [createControls(app, stages), createVerdict(app), createGraph(app, byId("graph")), createTable(app, byId("table"))];
  [...others, stages, map, chart].forEach(app.listen);
  app.open(hash);
  if (photo) showPhoto(app, photo, stages);
  opened.abort(); // of a space: the network that was open before no longer listens
  const until = { signal: (opened = new AbortController()).signal };
  if (inAddress) window.addEventListener("hashchange", () => app.open(location.hash), until);
  const drop = (event) => [event.preventDefault(), event.type === "drop" && usePhoto(app, event.dataTransfer.files[0], stages)];
  for (const name of ["dragover", "drop"]) document.addEventListener(name, drop, until);
  const again = () => [stages, map, chart].forEach((draw) => draw(null));
  window.addEventListener("resize", again, until);
  for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", again, until);
  return app;
}
