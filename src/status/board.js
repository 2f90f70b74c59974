(() => {
  const live = document.getElementById('live'), stale = document.getElementById('stale'),
    said = document.getElementById('said'),
    colon = document.documentElement.lang === 'fr' ? '\u202f: ' : ': ';
  // Only the time that passes is counted here: what time it is, the gateway says.
  const navigation = performance.getEntriesByType('navigation')[0];
  let at = navigation?.responseStart || performance.now(), turned = performance.now(),
    last = null, busy = false, isDead = false, isPaused = false, page = Number(live.dataset.page);
  const passed = () => Math.max(0, Math.floor((performance.now() - at) / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const clock = (seconds) => two(Math.floor(seconds / 3600) % 24) + ':' + two(Math.floor(seconds / 60) % 60);
  const span = (s) => s < 60 ? s + '\u00a0s' : s < 3600 ? Math.floor(s / 60) + '\u00a0min'
    : Math.floor(s / 3600) + '\u00a0h\u00a0' + two(Math.floor(s / 60) % 60);
  const say = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };
  const states = (root) => new Map([...root.querySelectorAll('[data-state]')]
    .map((tile) => [tile.dataset.nom, [tile.dataset.state, tile.querySelector('.state').textContent.trim()]]));
  const show = (wanted) => {
    const pages = [...live.querySelectorAll('.page')];
    page = (wanted - 1 + pages.length) % (pages.length || 1) + 1;
    for (const one of pages) one.hidden = Number(one.dataset.page) !== page;
    say(document.getElementById('page'), String(page));
    const pause = document.getElementById('pause');
    if (pause) {
      pause.hidden = false;
      pause.setAttribute('aria-pressed', String(isPaused));
    }
  };
  const turn = (by) => {
    turned = performance.now();
    show(page + by);
    live.querySelector('.page:not([hidden])')?.classList.toggle('turned', by !== 0);
  };
  const tick = () => {
    say(document.getElementById('clock'), clock(Number(live.dataset.now) + passed()));
    const read = live.querySelector('.read'), age = Number(live.dataset.age) + passed();
    if (live.dataset.age !== undefined) {
      say(document.getElementById('age'), span(age));
      read.classList.toggle('old', age > Number(read.dataset.most));
    }
    if (isDead) {
      say(stale.querySelector('.at'), clock(Number(live.dataset.now)));
      say(stale.querySelector('.ago'), span(passed()));
    }
    stale.hidden = !isDead;
    document.body.classList.toggle('dead', isDead);
    const isHeld = isPaused || live.querySelector('.page:not([hidden]) :focus');
    if (!isHeld && performance.now() - turned >= Number(live.dataset.turn) * 1000) turn(1);
  };
  const take = (next) => {
    if (next.dataset.version !== live.dataset.version) return location.reload();
    if (next.innerHTML !== last) {
      last = next.innerHTML;
      const before = states(live), held = document.activeElement?.id || document.activeElement?.getAttribute('href');
      live.replaceChildren(...next.childNodes);
      if (held) [...live.querySelectorAll('a,button')].find((one) => (one.id || one.getAttribute('href')) === held)?.focus({ preventScroll: true });
      const changed = [...states(live)].filter(([nom, [state]]) => before.has(nom) && before.get(nom)[0] !== state);
      if (changed.length) said.textContent = changed.map(([nom, [, text]]) => nom + colon + text).join('. ');
    }
    live.dataset.now = next.dataset.now;
    if (next.dataset.age === undefined) delete live.dataset.age;
    else live.dataset.age = next.dataset.age;
    show(page);
  };
  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(8000) });
      const arrived = performance.now();
      if (!answer.ok) throw new Error(answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (!next || next.dataset.now === undefined) throw new Error('no board');
      at = arrived;
      isDead = false;
      take(next);
    } catch {
      isDead = true;
    } finally {
      busy = false;
      tick();
    }
  };
  document.addEventListener('click', (event) => {
    const id = event.target.closest('#previous,#next,#pause')?.id;
    if (!id) return;
    event.preventDefault();
    if (id === 'pause') isPaused = !isPaused;
    turn(id === 'next' ? 1 : id === 'previous' ? -1 : 0);
  });
  show(page);
  setInterval(tick, 1000);
  setInterval(look, 10000);
  document.addEventListener('visibilitychange', look);
})();
