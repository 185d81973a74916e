"use strict";
// Asks for /dashboard.json about once a second, makes rates of its counters, and shows them.
// What comes from the server is only ever put into the page as text.

const POLL_MS = 1000;
const HISTORY_MAX = 300;

const history = []; // One point for each answer but the first: rates and ratios, the newest last.
let before = null; // The answer before this one.

// ---- Small things.

const byId = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Between a number and its unit, so that they stay on one line.
const SPACE = "\u00a0";

function count(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e9) return (value / 1e9).toFixed(2) + SPACE + "G";
  if (size >= 1e6) return (value / 1e6).toFixed(2) + SPACE + "M";
  if (size >= 1e4) return (value / 1e3).toFixed(1) + SPACE + "k";
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(1);
}

function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit + 1 < units.length) { value /= 1024; unit += 1; }
  return (unit === 0 || Math.abs(value) >= 100 ? Math.round(value) : value.toFixed(1)) + SPACE + units[unit];
}

const percent = (ratio) => (Number.isFinite(ratio) ? (100 * ratio).toFixed(1) + SPACE + "%" : "–");

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1e-6) return Math.round(seconds * 1e9) + SPACE + "ns";
  if (seconds < 1e-3) return (seconds * 1e6).toFixed(seconds < 1e-4 ? 1 : 0) + SPACE + "µs";
  if (seconds < 1) return (seconds * 1e3).toFixed(1) + SPACE + "ms";
  if (seconds < 120) return Math.round(seconds) + SPACE + "s";
  if (seconds < 7200) return Math.round(seconds / 60) + SPACE + "min";
  if (seconds < 172800) return Math.round(seconds / 3600) + SPACE + "h";
  return Math.round(seconds / 86400) + SPACE + "days";
}

function clear(node) { node.replaceChildren(); return node; }

function facts(id, pairs) {
  const list = clear(byId(id));
  for (const [name, value] of pairs) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    list.append(pair);
  }
}

// A table; columns are [title, kind, value of a row]. Kinds: text, key, number.
function table(id, columns, rows, nothing) {
  const shown = clear(byId(id));
  if (rows.length === 0) {
    const row = element("tr");
    row.append(element("td", nothing, "empty"));
    shown.append(row);
    return;
  }
  const titles = element("tr");
  for (const [title, kind] of columns) titles.append(element("th", title, kind));
  shown.append(titles);
  for (const item of rows) {
    const row = element("tr");
    for (const [, kind, value] of columns) {
      const text = value(item);
      const cell = element("td", text, kind === "key" ? "key text" : kind);
      if (kind !== "number") cell.title = text;
      row.append(cell);
    }
    shown.append(row);
  }
}

// A bar of parts [name, value], what is missing to `whole` left empty, and its legend.
function bar(barId, legendId, parts, whole, show) {
  const shown = clear(byId(barId));
  const legend = clear(byId(legendId));
  parts.forEach(([name, value], index) => {
    const part = element("i", undefined, "k" + (index % 8));
    part.style.width = (whole > 0 ? (100 * value) / whole : 0) + "%";
    part.title = name + ": " + show(value);
    shown.append(part);
    const line = element("li");
    line.append(element("i", undefined, "k" + (index % 8)), element("span", name), element("b", show(value)));
    legend.append(line);
  });
}

// ---- Plots.

// Lines over time. `series` are [class, value of a point]; the highest value sets the scale unless `top` does.
function plot(id, series, show, top) {
  const svg = clear(byId(id));
  const width = svg.clientWidth || 400;
  const height = svg.clientHeight || 110;
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  const values = history.flatMap((point) => series.map(([, value]) => value(point))).filter(Number.isFinite);
  const most = Math.max(0, ...values);
  const highest = top || (most > 0 ? most * 1.1 : 1);
  for (const part of [0, 0.5, 1]) {
    const y = 4 + (height - 8) * (1 - part);
    svg.append(shape("line", { class: "grid", x1: 0, x2: width, y1: y, y2: y }));
    if (part > 0 && values.length > 0) {
      const label = shape("text", { class: "axis", x: 0, y: y + 12 });
      label.textContent = show(highest * part);
      svg.append(label);
    }
  }
  const step = width / (HISTORY_MAX - 1);
  for (const [className, value] of series) {
    const points = [];
    history.forEach((point, index) => {
      const at = value(point);
      if (!Number.isFinite(at)) return;
      const x = width - (history.length - 1 - index) * step;
      points.push([x, 4 + (height - 8) * (1 - Math.min(1, at / highest))]);
    });
    if (points.length === 0) continue;
    const path = "M" + points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L");
    if (className === "line") {
      const ends = "L" + points[points.length - 1][0] + " " + height + "L" + points[0][0] + " " + height + "Z";
      svg.append(shape("path", { class: "area", d: path + ends }));
    }
    svg.append(shape("path", { class: className, d: path }));
  }
}

// The hit ratio by memory. Memory grows by factors, so equal factors are equally far apart.
function plotCurve(points) {
  const svg = clear(byId("curve-plot"));
  const width = svg.clientWidth || 600;
  const height = svg.clientHeight || 220;
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  const known = points.filter((point) => point.hit_ratio !== null && point.bytes > 0);
  if (known.length === 0) return;
  const left = 46, right = width - 40, floor = height - 22;
  const low = Math.min(...known.map((point) => point.hit_ratio));
  const high = Math.max(...known.map((point) => point.hit_ratio));
  const margin = Math.max(0.02, (high - low) * 0.15);
  const bottom = Math.max(0, low - margin), top = Math.min(1, high + margin);
  const first = Math.log(points[0].bytes), last = Math.log(points[points.length - 1].bytes);
  const x = (size) => left + ((right - left) * (Math.log(size) - first)) / Math.max(1e-9, last - first);
  const y = (ratio) => 8 + ((floor - 8) * (top - ratio)) / Math.max(1e-9, top - bottom);
  for (let part = 0; part <= 4; part += 1) {
    const ratio = bottom + ((top - bottom) * part) / 4;
    svg.append(shape("line", { class: "grid", x1: left, x2: right, y1: y(ratio), y2: y(ratio) }));
    const label = shape("text", { class: "axis", x: 0, y: y(ratio) + 4 });
    label.textContent = percent(ratio);
    svg.append(label);
  }
  const path = known.map((point) => x(point.bytes).toFixed(1) + " " + y(point.hit_ratio).toFixed(1));
  svg.append(shape("path", { class: "line", d: "M" + path.join("L") }));
  for (const point of known) {
    const isNow = point.factor === 1;
    const dot = shape("circle", {
      class: isNow ? "dot now" : "dot", cx: x(point.bytes), cy: y(point.hit_ratio), r: isNow ? 6 : 4,
    });
    const title = shape("title", {});
    title.textContent = bytes(point.bytes) + ": " + percent(point.hit_ratio);
    dot.append(title);
    svg.append(dot);
    const label = shape("text", { class: "axis", x: x(point.bytes), y: height - 4, "text-anchor": "middle" });
    label.textContent = isNow ? "now " + bytes(point.bytes) : bytes(point.bytes);
    svg.append(label);
  }
}

// ---- Numbers.

// The upper limit of the step of a histogram in which this share of its values is reached, in powers of two.
function quantile(steps, share) {
  const all = steps.reduce((sum, step) => sum + step, 0);
  if (all <= 0) return NaN;
  let seen = 0;
  for (let step = 0; step < steps.length; step += 1) {
    if (seen + steps[step] >= share * all) {
      const from = step === 0 ? 0 : 2 ** (step - 1);
      return from + (2 ** step - from) * ((share * all - seen) / Math.max(1, steps[step]));
    }
    seen += steps[step];
  }
  return 2 ** (steps.length - 1);
}

// The same of buckets {seconds, calls} that count what is not above them, and all calls.
function bucketQuantile(buckets, calls, share) {
  const wanted = share * calls;
  let from = 0, seen = 0;
  for (const bucket of buckets) {
    if (bucket.calls >= wanted && bucket.calls > seen) {
      return from + ((bucket.seconds - from) * (wanted - seen)) / (bucket.calls - seen);
    }
    from = bucket.seconds;
    seen = bucket.calls;
  }
  return buckets.length > 0 ? from : NaN;
}

const since = (now, then) => Math.max(0, now - then); // A counter may have been set to zero.
const difference = (now, then) => now.map((value, index) => since(value, then[index] || 0));

function rates(now, then) {
  const seconds = (now.now_ms - then.now_ms) / 1000;
  const rate = (name) => since(now[name], then[name]) / seconds;
  const hits = since(now.hits, then.hits), misses = since(now.misses, then.misses);
  const loop = difference(now.loop_us, then.loop_us);
  return {
    seconds,
    commands: rate("commands_executed"),
    errors: rate("errors"),
    received: rate("received_bytes"),
    sent: rate("sent_bytes"),
    connections: rate("connections_received"),
    evicted: rate("evicted_keys"),
    expired: rate("expired_keys"),
    cpu: rate("cpu_seconds"),
    hitRatio: hits + misses > 0 ? hits / (hits + misses) : NaN,
    loop50: quantile(loop, 0.5) / 1e6,
    loop99: quantile(loop, 0.99) / 1e6,
    loop999: quantile(loop, 0.999) / 1e6,
    batch: quantile(difference(now.batch_commands, then.batch_commands), 0.5),
  };
}

// ---- Panels.

function showHead(now) {
  const status = byId("status");
  status.textContent = now.status === "ok" ? "serving" : now.status;
  status.classList.toggle("bad", now.status !== "ok");
  byId("facts").textContent = [
    "version " + now.version, now.io_backend, "up " + duration(now.uptime_seconds),
    count(now.keys) + " keys", now.connections + " clients",
  ].join(" · ");
}

function showThroughput(now, rate) {
  byId("throughput-now").textContent = count(rate.commands);
  plot("throughput-plot", [["line", (point) => point.commands]], count);
  facts("throughput-facts", [
    ["in", bytes(rate.received) + "/s"], ["out", bytes(rate.sent) + "/s"],
    ["errors", count(rate.errors) + "/s"], ["CPU", percent(rate.cpu)],
    ["connections", count(now.connections) + " of " + count(now.connections_max)],
    ["new connections", count(rate.connections) + "/s"],
    ["refused", count(now.connections_rejected)],
    ["commands so far", count(now.commands_executed)],
  ]);
}

function showHits(now, rate) {
  const total = now.hits + now.misses;
  const ratio = Number.isFinite(rate.hitRatio) ? rate.hitRatio : total > 0 ? now.hits / total : NaN;
  byId("hits-now").textContent = percent(ratio);
  plot("hits-plot", [["line", (point) => point.hitRatio]], percent, 1);
  const reasons = now.miss_reasons;
  const parts = [
    ["missed: never seen", reasons.never_seen], ["expired", reasons.expired],
    ["evicted", reasons.evicted], ["deleted", reasons.deleted],
  ];
  const all = parts.reduce((sum, [, misses]) => sum + misses, 0);
  bar("reasons-bar", "reasons", parts, all, (misses) => percent(all > 0 ? misses / all : 0));
}

function showLatency(rate) {
  facts("latency-facts", [
    ["half", duration(rate.loop50)], ["99 %", duration(rate.loop99)], ["99.9 %", duration(rate.loop999)],
  ]);
  plot("latency-plot", [["line", (point) => point.loop99]], duration);
}

function showMemory(memory) {
  byId("memory-now").textContent = bytes(memory.resident_bytes);
  byId("memory-limit").textContent = memory.limit_bytes > 0
    ? "of " + bytes(memory.limit_bytes) + " (" + percent(memory.resident_bytes / memory.limit_bytes) + ")"
    : "resident, no limit";
  const owners = memory.owners.map((owner) => [owner.owner, owner.bytes]).filter(([, size]) => size > 0);
  owners.sort((left, right) => right[1] - left[1]);
  const rest = owners.slice(7).reduce((sum, [, size]) => sum + size, 0);
  const parts = rest > 0 ? [...owners.slice(0, 7), ["others", rest]] : owners;
  bar("memory-bar", "memory-owners", parts, Math.max(memory.limit_bytes, memory.resident_bytes), bytes);
}

function showEvictions(now, rate) {
  byId("evictions-now").textContent = count(rate.evicted);
  plot("evictions-plot", [["line", (point) => point.evicted], ["line second", (point) => point.expired]], count);
  facts("evictions-facts", [
    ["policy", now.eviction_policy], ["expired", count(rate.expired) + "/s"],
    ["expired, 99 % no later than", now.expiry_lag_p99_ms + " ms"],
    ["evicted so far", count(now.evicted_keys)], ["keys with a deadline", count(now.keys_with_deadline)],
  ]);
}

function showCurve(points) {
  const sentence = byId("curve-sentence");
  const current = points.find((point) => point.factor === 1);
  const more = points.find((point) => point.factor === 2);
  const most = points[points.length - 1];
  if (!current || current.hit_ratio === null || !more || more.hit_ratio === null) {
    sentence.textContent = "Known once enough keys have been read.";
  } else {
    const gain = 100 * (more.hit_ratio - current.hit_ratio);
    sentence.textContent = "With +" + bytes(more.bytes - current.bytes) + ": " + percent(more.hit_ratio) + ", "
      + gain.toFixed(1) + " points more than now." + (most.hit_ratio !== null
        ? " With +" + bytes(most.bytes - current.bytes) + ": " + percent(most.hit_ratio) + "." : "");
  }
  plotCurve(points);
}

function showWorkers(now, then) {
  const seconds = then ? (now.now_ms - then.now_ms) / 1000 : NaN;
  const rows = now.workers.map((worker, index) => {
    const old = then ? then.workers[index] : worker;
    const busy = since(worker.busy_ns, old.busy_ns), wait = since(worker.wait_ns, old.wait_ns);
    const wakes = since(worker.wakes, old.wakes), commands = since(worker.commands, old.commands);
    return {
      index,
      busy: busy + wait > 0 ? busy / (busy + wait) : 0,
      commands: commands / seconds,
      batch: wakes > 0 ? commands / wakes : 0, longest: worker.loop_us_max / 1e6,
    };
  });
  table("workers-table", [
    ["worker", "text", (row) => String(row.index)],
    ["busy", "number", (row) => percent(row.busy)],
    ["commands/s", "number", (row) => count(row.commands)],
    ["per wake", "number", (row) => row.batch.toFixed(1)],
    ["longest", "number", (row) => duration(row.longest)],
  ], rows, "no workers");
  rows.forEach((row, index) => {
    const meter = element("meter");
    meter.value = row.busy;
    byId("workers-table").rows[index + 1].cells[1].append(meter);
  });
}

function showCommands(now, then) {
  const seconds = then ? (now.now_ms - then.now_ms) / 1000 : NaN;
  const old = new Map((then ? then.commands : []).map((command) => [command.name, command]));
  const rows = now.commands.map((command) => {
    const last = old.get(command.name) || { calls: 0, seconds: 0, failed: 0, buckets: [] };
    return {
      ...command,
      rate: since(command.calls, last.calls) / seconds,
      mean: command.seconds / command.calls,
    };
  });
  rows.sort((left, right) => right.rate - left.rate || right.calls - left.calls);
  const at = (share) => (row) => duration(bucketQuantile(row.buckets, row.calls, share));
  const percentiles = rows.some((row) => row.buckets.length > 0)
    ? [["half", "number", at(0.5)], ["99 %", "number", at(0.99)], ["99.9 %", "number", at(0.999)]] : [];
  table("commands-table", [
    ["command", "key", (row) => row.name],
    ["per second", "number", (row) => count(row.rate)],
    ["calls", "number", (row) => count(row.calls)],
    ["mean", "number", (row) => duration(row.mean)],
    ...percentiles,
    ["failed", "number", (row) => count(row.failed)],
  ], rows, "No command was executed yet.");
}

function showKeys(now) {
  table("hotkeys-table", [
    ["key", "key", (row) => row.key], ["db", "number", (row) => String(row.db)],
    ["per second", "number", (row) => "about " + count(row.accesses_per_second)],
  ], now.hot_keys.keys, "No key is asked for often.");
  table("bigkeys-table", [
    ["key", "key", (row) => row.key], ["db", "number", (row) => String(row.db)],
    ["memory", "number", (row) => bytes(row.bytes)],
  ], now.big_keys.keys, "No key is big.");
  table("prefixes-table", [
    ["prefix", "key", (row) => row.prefix], ["keys", "number", (row) => count(row.keys)],
    ["memory", "number", (row) => bytes(row.bytes) + (row.limit_bytes > 0 ? " of " + bytes(row.limit_bytes) : "")],
    ["hits", "number", (row) => percent(row.hits / (row.hits + row.misses))],
    ["evicted", "number", (row) => count(row.evicted_keys)],
  ], now.prefixes, "No prefixes are configured: docs/prefixes.md.");
}

function showClients(now) {
  table("clients-table", [
    ["client", "text", (row) => row.address], ["name", "text", (row) => row.name],
    ["library", "text", (row) => row.library], ["db", "number", (row) => String(row.db)],
    ["last command", "key", (row) => row.command], ["commands", "number", (row) => count(row.commands)],
    ["in", "number", (row) => bytes(row.received_bytes)], ["out", "number", (row) => bytes(row.sent_bytes)],
    ["memory", "number", (row) => bytes(row.memory_bytes)],
    ["age", "number", (row) => duration(row.age_ms / 1000)], ["idle", "number", (row) => duration(row.idle_ms / 1000)],
  ], now.clients, "Nobody is connected.");
}

function showSlowLog(now) {
  table("slowlog-table", [
    ["when", "text", (row) => new Date(row.at_ms).toLocaleTimeString()],
    ["took", "number", (row) => duration(row.microseconds / 1e6)],
    ["command", "key", (row) => row.command], ["client", "text", (row) => row.client],
  ], now.slow_log, "No command was slow.");
}

function show(now) {
  const rate = history[history.length - 1] || {};
  showHead(now);
  showThroughput(now, rate);
  showHits(now, rate);
  showLatency(rate);
  showMemory(now.memory);
  showEvictions(now, rate);
  showCurve(now.curve.points);
  showWorkers(now, before);
  facts("workers-facts", [["commands in half of the wakes, at most", count(rate.batch)]]);
  showCommands(now, before);
  showKeys(now);
  showClients(now);
  showSlowLog(now);
}

function complain(text) {
  const trouble = byId("trouble");
  trouble.textContent = text;
  trouble.hidden = text === "";
}

async function poll() {
  try {
    const answer = await fetch("/dashboard.json", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error("the server answers " + answer.status);
    const now = await answer.json();
    if (before && now.now_ms > before.now_ms && now.uptime_seconds >= before.uptime_seconds) {
      history.push(rates(now, before));
      if (history.length > HISTORY_MAX) history.shift();
    }
    show(now);
    before = now;
    complain("");
  } catch (error) {
    complain("No numbers: " + error.message);
  }
  setTimeout(poll, POLL_MS);
}

poll();
