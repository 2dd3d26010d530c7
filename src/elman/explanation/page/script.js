"use strict";
// Choosing a step (panels 2 and 3) and a term (panel 6). Everything else stands without a script.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  // Arrays: float64 bytes in base64, row by row.
  const rowsOf = ({ shape: [n, width], base64 }) => {
    const text = atob(base64);
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: n }, (_, i) =>
      Array.from({ length: width }, (_, j) => view.getFloat64(8 * (i * width + j), true)));
  };

  // Numbers as the page was written with: the same digits.
  const scientific = (value) => {
    if (Number.isFinite(value)) return (value + 0).toExponential(3);
    return Number.isNaN(value) ? "none" : value > 0 ? "∞" : "-∞";
  };
  const fixed = (value, digits = 4) =>
    (Math.abs(value) < 1e5 ? (value + 0).toFixed(digits) : scientific(value));
  const number = (value) => {
    if (value === 0) return "0";
    const written = scientific(value);
    const power = Number(written.split("e")[1]);
    return power >= -3 && power <= 3 ? fixed(value, 3 - power) : written;
  };
  const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
  const norm = (vector) => {
    const scale = largest(vector);
    return scale * Math.sqrt(vector.reduce((sum, v) => sum + (v / scale) * (v / scale), 0));
  };
  const diverging = (share) => `d${Math.floor(Math.min(Math.max(share, -1), 1) * 10 + 0.5) + 10}`;
  const strongest = (vector) => vector
    .map((_, i) => i)
    .sort((i, j) => Math.abs(vector[j]) - Math.abs(vector[i]) || i - j)
    .slice(0, data.written_rows)
    .sort((i, j) => i - j);
  const paint = (cell, colour, title) => {
    cell.setAttribute("class", colour);
    cell.firstElementChild.textContent = title;
  };

  // Panels 2 and 3: a step
  const selects = document.querySelectorAll("select.step");
  const forward = Object.fromEntries(
    Object.entries(data.forward).map(([key, array]) => [key, rowsOf(array)]));
  if (data.derived) {  // of a cell with gates the page carries all
    const { U_frd, W_frd, h_activated } = forward;
    const slope = (h) => (data.cell === "relu" ? Number(h > 0) : 1 - h * h);
    forward.h_unactivated =
      U_frd.map((row, t) => row.map((u, i) => u + W_frd[t][i] + (data.b?.[i] ?? 0)));
    forward.derivative = h_activated.map((row) => row.map(slope));
  }

  // Where numbers are predicted: the target, the answer, their difference, dL/dz.
  const showResidual = (at) => {
    const lines = document.querySelector("table.output-error").tBodies[0].rows;
    data.y_activated[at].forEach((p, k) => {
      const y = data.y[at][k] ?? NaN;
      [y, p, p - y, data.output_error[at][k]].forEach((value, j) => {
        lines[k].cells[j + 1].textContent = number(value);
      });
    });
  };

  const showError = (at) => {
    const yHat = data.y_activated[at];
    const target = data.targets[at];
    const labelled = data.labels[at] >= 0;
    const jacobian = yHat.map((p, i) => yHat.map((q, k) => i === k ? p * (1 - p) : -p * q));
    const full = largest(jacobian.flat());
    const cells = document.querySelectorAll("#jacobian rect");
    jacobian.flat().forEach((value, n) => {
      const share = Math.sign(value) * Math.sqrt(Math.abs(value / full));
      const diagonal = n % (yHat.length + 1) === 0;
      const name = cells[n].firstElementChild.textContent.split(": ").slice(0, -1).join(": ");
      paint(cells[n], diverging(share) + (diagonal ? " same" : ""), `${name}: ${number(value)}`);
    });
    const entries = document.querySelector("table.jacobian").tBodies[0].rows;
    const lines = document.querySelector("table.output-error").tBodies[0].rows;
    yHat.forEach((p, k) => {
      jacobian[k].forEach((value, j) => { entries[k].cells[j + 1].textContent = number(value); });
      const upstream = k === target ? -1 / p : 0;
      // A label that is not among the classes shown leaves ŷ to them.
      const product = target < 0 ? p : (-1 / yHat[target]) * jacobian[target][k];
      const columns = [k === target ? "1" : "0", number(p), number(upstream),
        number(labelled ? product : 0), number(data.output_error[at][k])];
      columns.forEach((written, j) => { lines[k].cells[j + 1].textContent = written; });
    });
  };

  const showStep = (event) => {
    const t = Number(event.target.value);
    for (const select of selects) select.value = t;
    const at = data.steps.indexOf(t);
    for (const [key, rows] of Object.entries(forward)) {
      const cells = document.querySelectorAll(`#pieces [data-piece="${key}"] rect`);
      const column = document.querySelector(`.pieces [data-piece="${key}"]`).parentNode.cellIndex;
      rows[at].forEach((value, i) => {
        const name = cells[i].firstElementChild.textContent.split(",")[0];
        paint(cells[i], diverging(value / data.full[key]), `${name}, unit ${i + 1}: ${fixed(value)}`);
        const row = document.querySelector(".pieces tbody").rows[i];
        if (row) row.cells[column].textContent = fixed(value);
      });
    }
    document.querySelectorAll("#answers .class").forEach((group, i) => {
      const p = data.y_activated[at][i];
      const values = group.querySelectorAll(".value");
      values[0].textContent = fixed(data.y_unactivated[at][i], 2);
      values[1].textContent = number(p);
      if (data.y !== null) {
        values[2].textContent = number(data.y[at][i] ?? NaN);
        return;
      }
      const bar = group.querySelector(".bar");
      const track = group.querySelector(".track");
      const bottom = Number(track.getAttribute("y")) + Number(track.getAttribute("height"));
      bar.setAttribute("y", bottom - 40 * p);
      bar.setAttribute("height", 40 * p);
      group.setAttribute("class", data.targets[at] === i ? "class target" : "class");
    });
    (data.y === null ? showError : showResidual)(at);
    for (const place of document.querySelectorAll(".chosen-step")) place.textContent = t;
  };
  for (const select of selects) {
    select.disabled = false;
    select.addEventListener("change", showStep);
  }
  for (const note of document.querySelectorAll(".without-script")) note.remove();

  // Panel 6: a term
  const deltas = rowsOf(data.delta);
  const lefts = rowsOf(data.left);
  const [norms] = rowsOf(data.norms);
  const letter = data.of === "W" ? "h" : "x";
  const grid = document.getElementById("triangle");
  grid.querySelectorAll("[role=gridcell]").forEach((cell, i) => {
    cell.dataset.cell = data.cells[i].join(" ");
    if (!cell.hasAttribute("tabindex")) cell.setAttribute("tabindex", "-1");
  });
  const indices = new Map(data.cells.map(([t, tau], i) => [`${t} ${tau}`, i]));
  const table = document.querySelector("table.outer");
  // An entry of δ: the unit, and of a cell with gates the gate.
  const entry = (i) => (data.gates.length === 1 ? `${i + 1}`
    : `${data.gates[Math.floor(i / data.H)]} ${i % data.H + 1}`);

  const showTerm = (cell) => {
    const [t, tau] = cell.dataset.cell.split(" ").map(Number);
    const index = indices.get(cell.dataset.cell);
    const delta = deltas[index];
    const left = lefts[data.triangle_steps.indexOf(tau)];
    const [rows, across] = [strongest(delta), strongest(left)];
    for (const other of grid.querySelectorAll('[aria-selected="true"]')) {
      other.removeAttribute("aria-selected");
      other.setAttribute("tabindex", "-1");
    }
    cell.setAttribute("aria-selected", "true");
    cell.setAttribute("tabindex", "0");
    const marker = grid.querySelector(".marker");
    marker.setAttribute("x", cell.getAttribute("x"));
    marker.setAttribute("y", cell.parentNode.transform.baseVal[0].matrix.f);
    document.getElementById("chosen").innerHTML =
      `<b>term(${t}, ${tau})</b>: loss ${t} by way of step ${tau}. ‖δ‖ = ${number(norm(delta))}, ` +
      `‖${letter}<sub>${data.of === "W" ? tau - 1 : tau}</sub>‖ = ${number(norm(left))}, ‖term‖ = ` +
      `${number(norms[index])}: ${data.kinds[index]}.`;

    const [fullDelta, fullLeft] = [largest(rows.map((i) => delta[i])), largest(across.map((j) => left[j]))];
    const products = rows.flatMap((i) => across.map((j) => delta[i] * left[j]));
    const full = largest(products);
    document.querySelectorAll(".outer-names text").forEach((name, r) => {
      name.textContent = entry(rows[r]);
    });
    document.querySelectorAll(".outer-delta rect").forEach((c, r) => paint(
      c, diverging(delta[rows[r]] / fullDelta), `δ, unit ${entry(rows[r])}: ${number(delta[rows[r]])}`));
    document.querySelectorAll(".outer-h rect").forEach((c, k) => paint(
      c, diverging(left[across[k]] / fullLeft),
      `${letter}, entry ${across[k] + 1}: ${number(left[across[k]])}`));
    document.querySelectorAll(".outer-products rect").forEach((c, n) => {
      const [i, j] = [rows[Math.floor(n / across.length)], across[n % across.length]];
      paint(c, diverging(products[n] / full),
        `row ${entry(i)}, column ${j + 1}: ${number(products[n])}`);
    });
    across.forEach((j, k) => { table.tHead.rows[0].cells[k + 1].textContent = j + 1; });
    rows.forEach((i, r) => {
      const line = table.tBodies[0].rows[r].cells;
      line[0].textContent = entry(i);
      across.forEach((j, k) => { line[k + 1].textContent = number(delta[i] * left[j]); });
    });
  };
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell) { showTerm(cell); cell.focus({ preventScroll: true }); }
  });
  const losses = [...new Set(data.cells.map(([t]) => t))];
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  grid.addEventListener("keydown", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell) return;
    const [t, tau] = cell.dataset.cell.split(" ").map(Number);
    const steps = data.triangle_steps;
    let next = cell.dataset.cell;
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      next = `${losses[losses.indexOf(t) + down]} ${steps[steps.indexOf(tau) + right]}`;
    } else if (event.key === "Home") next = `${t} ${steps[0]}`;
    else if (event.key === "End") next = `${t} ${steps.filter((s) => s <= t).at(-1)}`;
    else if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const found = grid.querySelector(`[data-cell="${next}"]`);
    if (found) { showTerm(found); found.focus(); }
  });

  // A frame that does not scroll needs no stop of the Tab key.
  const frames = document.querySelectorAll(".scroll");
  const stops = () => frames.forEach((frame) => {
    frame.tabIndex = frame.scrollWidth > frame.clientWidth ? 0 : -1;
  });
  stops();
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);

  // Panel 11: the data as a file
  const save = document.getElementById("save");
  save.href = URL.createObjectURL(new Blob([JSON.stringify(data)], { type: "application/json" }));
  save.download = "explanation.json";
  save.hidden = false;
})();
