
(() => {
  // The time line of a machine's page: a tap, a click or a key says in words what is there.
  const live = document.getElementById('live');
  const two = (number) => String(number).padStart(2, '0');
  const numbers = (text) => (text ? text.split(',').map(Number) : []);
  const pairs = (text) => {
    const all = numbers(text), found = [];
    for (let at = 0; at < all.length; at += 2) found.push([all[at], all[at] + all[at + 1]]);
    return found;
  };
  const sums = (text) => { let sum = 0; return numbers(text).map((step) => sum += step); };
  const lines = (text) => (text ? text.split('\n') : []);
  let line = null, chosen = null, focused = null;

  const span = (seconds) => {
    if (seconds < 60) return `${seconds}\u00a0s`;
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes}\u00a0min` : `${Math.floor(minutes / 60)}\u00a0h\u00a0${two(minutes % 60)}`;
  };
  const read = (pick) => {
    const data = pick.dataset, from = Number(data.from), length = (Number(data.to) - from) / 1000;
    const says = lines(data.says), isClose = length <= 10800;
    const exact = (at) => {
      const date = new Date(from + Math.floor(at) * 1000);
      return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
    };
    const say = (which, a, b, x) => {
      const clock = isClose || b - a < 60 ? exact : (at) => exact(at).slice(0, 5);
      return says[which].replace('{a}', () => clock(a)).replace('{b}', () => clock(b))
        .replace('{d}', () => span(b - a)).replace('{x}', () => x);
    };
    const named = (text) => (text ? ', ' + text : '');
    const stops = pairs(data.stops), waits = pairs(data.waits), details = lines(data.details),
      profiles = lines(data.profiles), names = lines(data.names), [work] = pairs(data.window);
    const pieces = sums(data.pieces).map((at, index) => ({ at, to: at, text: say(5, at, at, named(details[index])) }));
    const changes = sums(data.changes).map((at, index) => ({ at, to: at, text: say(6, at, at, profiles[index] ?? '') }));
    const halts = stops.map(([at, to]) => ({ at, to, text: say(0, at, to) }));
    const open = data.open === undefined ? null : { at: Number(data.open), to: Number(data.now ?? data.open), text: say(1, Number(data.open), Infinity) };
    if (open) halts.push(open);
    const idles = waits.map(([at, to]) => ({ at, to, text: say(2, at, to) }));
    const clock = (at) => exact(at).slice(0, 5);
    const planned = pairs(data.shifts).map(([at, to], index) => ({ at, to, text: says[7].replace('{x}', () => names[index] ?? '').replace('{a}', () => clock(at)).replace('{b}', () => clock(to)) }))
    const breaks = pairs(data.breaks).map(([at, to]) => ({ at, to, text: says[8].replace('{a}', () => clock(at)).replace('{b}', () => clock(to)) }));
    const marks = [...halts, ...idles, ...pieces, ...changes, ...breaks]
      .filter((mark) => mark.to >= 0 && mark.at <= length).sort((a, b) => a.at - b.at);
    return { pick, from, length, exact, says, say, halts, idles, pieces, changes, planned, breaks, marks, work, isCut: data.cut !== undefined };
  };
  const holds = (at) => (mark) => mark.at <= at && at < mark.to;
  // What the machine does at a moment: a stop hides a wait, and a wait production.
  const state = (at) => {
    const found = line.halts.find(holds(at)) ?? line.idles.find(holds(at));
    if (found) return found;
    if (!line.work || at < line.work[0] || at > line.work[1]) return { at, to: at, text: line.says[4] };
    if (line.isCut) return { at, to: at, text: line.says[9] };
    let [from, to] = line.work;
    for (const mark of [...line.halts, ...line.idles]) {
      if (mark.to <= at) from = Math.max(from, mark.to);
      if (mark.at > at) to = Math.min(to, mark.at);
    }
    return { at: from, to, text: line.say(3, from, to) };
  };
  const nearest = (marks, at, reach) => {
    let best = null;
    for (const mark of marks) {
      const far = Math.max(mark.at - at, at - mark.to, 0);
      if (far <= reach && (!best || far < best.far)) best = { mark, far };
    }
    return best?.mark;
  };
  const around = (at) => [line.breaks.find(holds(at)), line.planned.find(holds(at))];
  const show = () => {
    const { at, mark, reach } = chosen, what = mark ?? state(at);
    const near = mark ? [] : [line.pieces, line.changes, line.halts].map((marks) => nearest(marks, at, reach));
    const all = [what, ...(mark && mark.to === mark.at ? [state(at)] : []), ...near, ...around(at)].filter(Boolean);
    const texts = [...new Set(all.map((one) => one.text))];
    const told = document.getElementById('told'), time = line.exact(at);
    told.textContent = `${time} · ${texts.join(' · ')}`;
    const part = (seconds) => `${Math.min(Math.max(seconds / line.length, 0), 1) * 100}%`;
    const width = (Math.min(what.to, line.length) - Math.max(what.at, 0)) / line.length;
    const rect = line.pick.querySelector('rect'), mid = line.pick.querySelector('line');
    rect.setAttribute('x', part(what.at));
    rect.setAttribute('width', `${Math.max(width, 0) * 100}%`);
    for (const x of ['x1', 'x2']) mid.setAttribute(x, part(at));
    line.pick.classList.add('is-chosen');
    line.pick.setAttribute('aria-valuenow', Math.floor(at));
    line.pick.setAttribute('aria-valuetext', time);
    const link = document.querySelector('.steps a');
    link.hidden = false;
    link.setAttribute('href', link.getAttribute('href').replace(link.dataset.at, time));
    link.dataset.at = time;
    link.querySelector('span').textContent = time;
  };
  const choose = (next) => { chosen = next; show(); };
  const step = (marks, forward) => {
    const at = chosen?.at ?? (forward ? -1 : line.length + 1), here = marks.indexOf(chosen?.mark);
    const next = here >= 0 ? marks[here + (forward ? 1 : -1)]
      : forward ? marks.find((mark) => mark.at > at) : marks.findLast((mark) => mark.at < at);
    if (next) choose({ at: Math.max(next.at, 0), mark: next, reach: 0 });
  };
  const shown = (marks) => marks.filter((mark) => mark.to >= 0 && mark.at <= line.length);
  const point = (event) => {
    const box = line.pick.getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const reach = (event.pointerType === 'mouse' ? 3 : 8) * line.length / box.width;
    choose({ at: part * line.length, mark: null, reach });
  };
  const keys = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { marks } = line, halts = shown(line.halts);
    const act = {
      ArrowRight: () => step(marks, true), ArrowLeft: () => step(marks, false),
      ArrowDown: () => step(halts, true), ArrowUp: () => step(halts, false),
      PageDown: () => step(halts, true), PageUp: () => step(halts, false),
      Home: () => { chosen = null; step(marks, true); }, End: () => { chosen = null; step(marks, false); },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const begin = () => {
    const pick = live.querySelector('.pick');
    if (!pick || pick === line?.pick) return;
    const before = line && { from: line.from, length: line.length };
    line = read(pick);
    pick.hidden = false;
    for (const one of live.querySelectorAll('#told, .steps')) one.hidden = false;
    const attributes = { role: 'slider', tabindex: 0, 'aria-label': pick.dataset.label,
      'aria-valuemin': 0, 'aria-valuemax': line.length, 'aria-valuenow': 0, 'aria-valuetext': line.exact(0) };
    for (const [name, value] of Object.entries(attributes)) pick.setAttribute(name, value);
    pick.addEventListener('click', point);
    pick.addEventListener('pointermove', (event) => { if (event.buttons) point(event); });
    pick.addEventListener('keydown', keys);
    for (const button of live.querySelectorAll('.steps button'))
      button.addEventListener('click', () => step(shown(line.halts), button.dataset.step > 0));
    if (chosen && before) {
      // The page renewed itself: the same moment, by what is known of it now.
      const at = chosen.at + (before.from - line.from) / 1000, mark = chosen.mark && line.marks.find((one) => one.text === chosen.mark.text);
      choose({ at, mark: mark ?? null, reach: chosen.reach * line.length / before.length });
    }
    if (focused && !focused.isConnected && document.activeElement === document.body) pick.focus({ preventScroll: true });
  };
  live.addEventListener('focusin', (event) => { focused = event.target.classList.contains('pick') ? event.target : null; });
  document.addEventListener('pointerdown', (event) => { if (!event.target.closest('.pick')) focused = null; });
  new MutationObserver(begin).observe(live, { childList: true });
  begin();
})();
