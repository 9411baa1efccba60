"use strict";
for (const box of document.querySelectorAll("[data-browser]")) {
  const data = JSON.parse(document.getElementById("data-" + box.dataset.browser).textContent);
  const find = (name) => box.querySelector(name);
  const method = find(".method"), metric = find(".metric"), output = find("output"), faces = find(".faces");
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  method.append(...data.methods.map((each) => option(each.key, each.title)));
  metric.append(...data.metrics.map((each) => option(each.key, each.head)));
  if (data.metrics.some((each) => each.key === "identity")) metric.value = "identity";
  let order = [], place = 0;

  const value = (face) => face.values[method.value][metric.value];
  const sort = () => {
    const sign = data.metrics.find((each) => each.key === metric.value).higher ? 1 : -1;
    order = data.faces.filter((face) => value(face) !== undefined).sort((a, b) => sign * (value(a) - value(b)));
    place = 0;
    show();
  };
  const figure = (source, title, kind) => {
    const image = Object.assign(document.createElement("img"), { src: source, alt: title, className: kind });
    const caption = Object.assign(document.createElement("figcaption"), { textContent: title });
    const whole = document.createElement("figure");
    whole.append(image, caption);
    return whole;
  };
  const words = (face, key) => data.metrics.filter((each) => face.values[key][each.key] !== undefined)
    .map((each) => each.head.replace(" (less is better)", "") + " " + face.values[key][each.key].toFixed(each.digits)).join(", ");
  const show = () => {
    const face = order[place];
    output.textContent = face
      ? `${place + 1} of ${order.length} (of ${data.of} faces), ${face.name}: ${value(face)}`.replace(/(\.\d{4})\d+$/, "$1")
      : "not measured";
    if (!face) { faces.replaceChildren(); return; }
    const made = data.methods.map((each) => {
      const whole = figure(face.sr[each.key], `${each.title}: ${words(face, each.key)}`, "");
      if (each.key === method.value) whole.firstChild.className = "chosen";
      return whole;
    });
    faces.replaceChildren(figure(face.lr, "LR", "lr"), ...made, figure(face.hr, "HR", ""));
  };
  const go = (to) => { place = Math.max(0, Math.min(order.length - 1, to)); show(); };
  const moves = {
    ArrowLeft: () => go(place - 1), ArrowRight: () => go(place + 1), w: () => go(0), b: () => go(order.length - 1),
    m: () => { method.selectedIndex = (method.selectedIndex + 1) % method.length; sort(); },
  };
  box.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || !moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
  find(".previous").onclick = moves.ArrowLeft;
  find(".next").onclick = moves.ArrowRight;
  find(".worst").onclick = moves.w;
  find(".best").onclick = moves.b;
  method.onchange = metric.onchange = sort;
  sort();
}
